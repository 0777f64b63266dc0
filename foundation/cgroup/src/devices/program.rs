//! v2's device filter: a BPF program on the cgroup's directory, asked at every open and mknod of a device.

use std::os::fd::AsFd;

use gantry_sys::bpf::{self, Instruction};

use super::rule::{Access, Kind, Rule};
use crate::directory::Directory;
use crate::error::Error;

/// As the kernel's `bpf_cgroup_dev_ctx` numbers kinds.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
/// Instructions for each rule at most, and around them.
const MAX_RULES: usize = 4096 / 8;

/// Registers of the program.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
/// Requested access that no rule has decided yet.
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Puts a filter for the rules in the place of the one before.
pub(super) fn apply(directory: &Directory, rules: &[Rule]) -> Result<(), Error> {
    let failed = |step| {
        move |source| Error::DeviceFilter { step, directory: directory.path().to_owned(), source }
    };
    let instructions = compile(rules)?;
    let program = bpf::load_device_program(&instructions).map_err(failed("load"))?;
    let old = bpf::device_programs(directory.as_fd()).map_err(failed("look for"))?;
    match old.as_slice() {
        [one] => bpf::replace_device_program(directory.as_fd(), program.as_fd(), one.as_fd())
            .map_err(failed("replace")),
        many => {
            // Every program must agree to an access, so the new one comes first and nothing opens up in between.
            bpf::attach_device_program(directory.as_fd(), program.as_fd())
                .map_err(failed("attach"))?;
            for old in many {
                bpf::detach_device_program(directory.as_fd(), old.as_fd())
                    .map_err(failed("detach"))?;
            }
            Ok(())
        }
    }
}

/// The program: from the last rule to the first, each allows or denies what of the request it is about.
fn compile(rules: &[Rule]) -> Result<Vec<Instruction>, Error> {
    // The verifier refuses instructions that nothing leads to, so what lies behind such a rule must not be there.
    let (default, rules) = match rules.iter().rposition(|rule| rule.is_about_everything()) {
        Some(index) => (rules[index].allow, &rules[index + 1..]),
        None => (false, rules),
    };
    if rules.len() > MAX_RULES {
        return Err(Error::BadValue {
            setting: "devices".to_owned(),
            value: format!("{} rules", rules.len()),
            reason: format!("at most {MAX_RULES} are possible"),
        });
    }
    let mut program = vec![
        Instruction::load_word(KIND, CONTEXT, 0),
        Instruction::copy(ACCESS, KIND),
        Instruction::and(KIND, 0xffff),
        Instruction::shift_right(ACCESS, 16),
        Instruction::load_word(MAJOR, CONTEXT, 4),
        Instruction::load_word(MINOR, CONTEXT, 8),
    ];
    for rule in rules.iter().rev() {
        rule_block(*rule, &mut program);
    }
    answer(default, &mut program);
    Ok(program)
}

fn rule_block(rule: Rule, program: &mut Vec<Instruction>) {
    let mut tests = Vec::new();
    match rule.pattern.kind {
        Kind::Any => {}
        Kind::Block => tests.push((KIND, BLOCK)),
        Kind::Character => tests.push((KIND, CHARACTER)),
    }
    // Numbers are compared as 32 bits; the sign has no meaning.
    tests.extend(rule.pattern.major.map(|number| (MAJOR, number.cast_signed())));
    tests.extend(rule.pattern.minor.map(|number| (MINOR, number.cast_signed())));

    let mut decision = Vec::new();
    if rule.allow {
        decision.push(Instruction::and(ACCESS, i32::from((!rule.access).0)));
        decision.push(Instruction::jump_unless_equal(ACCESS, 0, 2));
        answer(true, &mut decision);
    } else if rule.access == Access::ALL {
        answer(false, &mut decision);
    } else {
        decision.push(Instruction::copy(RESULT, ACCESS));
        decision.push(Instruction::and(RESULT, i32::from(rule.access.0)));
        decision.push(Instruction::jump_if_equal(RESULT, 0, 2));
        answer(false, &mut decision);
    }
    for (index, (register, value)) in tests.iter().enumerate() {
        let skipped = tests.len() - index - 1 + decision.len();
        // At most two tests and five instructions.
        let skipped = i16::try_from(skipped).unwrap_or(i16::MAX);
        program.push(Instruction::jump_unless_equal(*register, *value, skipped));
    }
    program.append(&mut decision);
}

fn answer(allow: bool, program: &mut Vec<Instruction>) {
    program.push(Instruction::set(RESULT, i32::from(allow)));
    program.push(Instruction::exit());
}

#[cfg(test)]
mod tests;

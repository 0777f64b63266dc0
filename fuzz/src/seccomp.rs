//! Profiles: whatever compiles must be a program that the kernel takes, and answer as the profile reads.

mod draw;
#[path = "../../foundation/seccomp/tests/it/interpreter.rs"]
mod interpreter;
mod reading;

use gantry_oci::runtime::Seccomp;
use gantry_seccomp::{Instruction, Machine, compile_for};

use interpreter::Call;

/// `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;
const X32_BIT: u32 = 0x4000_0000;
/// How many calls are tried on one program.
const CALLS: usize = 64;

/// An even first byte: a profile drawn from the rest; an odd one: the rest is the profile's JSON.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let profile = if choice % 2 == 0 {
        draw::profile(rest)
    } else {
        let Ok(profile) = serde_json::from_slice(rest) else { return };
        profile
    };
    for machine in [Machine::X86_64, Machine::Aarch64] {
        check(machine, &profile);
    }
}

fn check(machine: Machine, profile: &Seccomp) {
    let Ok(program) = compile_for(machine, profile) else { return };
    let instructions = program.instructions();
    check_shape(instructions);
    let audits: [u32; 3] = match machine {
        Machine::X86_64 => [0xc000_003e, 0x4000_0003, 0xc000_00b7],
        Machine::Aarch64 => [0xc000_00b7, 0x4000_0028, 0xc000_003e],
    };
    let numbers = numbers(profile);
    let values = values(profile);
    let mut dice = draw::Dice::new(u64::from(instructions[0].k) + values.len() as u64);
    for _ in 0..CALLS {
        let call = Call {
            audit: *dice.pick(&audits),
            number: *dice.pick(&numbers),
            args: std::array::from_fn(|_| *dice.pick(&values)),
        };
        let found = interpreter::run(instructions, call).answer;
        let expected = reading::answer(machine, profile, call);
        assert_eq!(found, expected, "{found:#x}, not {expected:#x}, to {call:x?} by {profile:?}");
    }
}

/// What the kernel demands of a filter (`seccomp_check_filter`, `bpf_check_classic`).
fn check_shape(program: &[Instruction]) {
    assert!(!program.is_empty() && program.len() <= MAX_INSTRUCTIONS);
    for (at, step) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        match step.code {
            0x20 => assert!(step.k % 4 == 0 && step.k < 64, "{step:?}"),
            0x54 | 0x06 => {}
            0x05 => assert!((step.k as usize) < left, "{step:?}"),
            0x15 | 0x25 | 0x35 | 0x45 => {
                assert!(usize::from(step.jt) < left && usize::from(step.jf) < left, "{step:?}");
            }
            _ => panic!("{step:?}"),
        }
    }
    assert_eq!(program.last().map(|step| step.code), Some(0x06));
}

/// Numbers that the profile may mean, their neighbours, and the ends of the ranges.
fn numbers(profile: &Seccomp) -> Vec<u32> {
    let mut numbers =
        vec![0, 1, 102, 117, 500, 0xf_0000, 0xf_0005, 0xf_0009, X32_BIT - 1, X32_BIT, u32::MAX];
    for name in profile.syscalls.iter().flat_map(|rule| &rule.names).take(200) {
        for number in reading::numbers_of(name) {
            numbers.extend([number, number.wrapping_add(1), number.wrapping_sub(1)]);
            numbers.push(number | X32_BIT);
        }
    }
    numbers
}

/// Arguments near the profile's constants.
fn values(profile: &Seccomp) -> Vec<u64> {
    let mut values: Vec<u64> = (0..24).chain([1 << 31, 1 << 32, u64::MAX]).collect();
    for arg in profile.syscalls.iter().flat_map(|rule| &rule.args).take(100) {
        for base in [arg.value, arg.value_two, arg.value & arg.value_two] {
            values.extend([base, base.wrapping_sub(1), base.wrapping_add(1), !base]);
            values.extend([base ^ 1 << 32, base ^ 1 << 63, base & 0xffff_ffff, base >> 32]);
        }
    }
    values
}

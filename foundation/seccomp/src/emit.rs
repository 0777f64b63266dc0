//! From a profile to instructions: one section for each architecture, each a balanced tree over ranges of call numbers.
//!
//! Neighbouring calls with the same answer form one range. The kernel runs a new filter once for every call number, so few
//! and wide ranges make it load fast. Conditions on a single argument become a tree over that argument's values; others
//! become a chain of comparisons.

use crate::action::{Action, Verdict};
use crate::architecture::Architecture;
use crate::assemble::{Assembler, Target};
use crate::instruction::{
    AND, Instruction, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, MAX_INSTRUCTIONS,
    OFFSET_ARCHITECTURE, OFFSET_NUMBER, argument_offset,
};
use crate::partition::Partition;
use crate::resolve::{Call, Calls, Known, known};
use crate::rule::{Condition, Operator, Profile};

/// More rules with conditions for one call than any filter could hold.
pub(crate) const MAX_RULES_PER_CALL: usize = MAX_INSTRUCTIONS;

/// Why there is no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooManyRules,
    TooLong,
}

/// The filter for `profile`.
pub(crate) fn program(profile: &Profile<'_>) -> Result<Vec<Instruction>, Refusal> {
    let mut assembler = Assembler::default();
    let mut sections: Vec<(u32, Target)> = Vec::new();
    let rules = known(profile);
    // What is written last stands first: the native architecture.
    for architecture in profile.architectures.iter().rev() {
        let audit = architecture.audit();
        if sections.iter().all(|&(known, _)| known != audit) {
            sections.push((audit, section(&mut assembler, profile, &rules, audit)?));
        }
    }
    let foreign = Target::Answer(Action::KillThread.verdict());
    let dispatch = sections.into_iter().fold(foreign, |otherwise, (audit, target)| {
        assembler.branch(JUMP_EQUAL, audit, target, otherwise)
    });
    let entry = assembler.load(OFFSET_ARCHITECTURE, dispatch);
    let program = assembler.finish(entry);
    if program.len() > MAX_INSTRUCTIONS { Err(Refusal::TooLong) } else { Ok(program) }
}

/// Everything that seccomp reports as `audit`: one architecture, or `x86_64` together with x32.
fn section(
    assembler: &mut Assembler,
    profile: &Profile<'_>,
    rules: &[Known<'_>],
    audit: u32,
) -> Result<Target, Refusal> {
    let foreign = Target::Answer(Action::KillThread.verdict());
    let mut numbers = Partition::new(u64::from(u32::MAX), foreign);
    for &architecture in profile.architectures.iter().filter(|known| known.audit() == audit) {
        let calls = Calls::of(rules, profile.default_action, architecture);
        for (first, last, verdict) in calls.unnamed(profile.default_action, architecture) {
            numbers.paint(first.into(), last.into(), Target::Answer(verdict));
        }
        for (&number, call) in &calls.by_number {
            let target = call_target(assembler, call, profile, architecture)?;
            numbers.paint(number.into(), number.into(), target);
        }
    }
    let root = tree(assembler, &leaves(&numbers));
    Ok(assembler.load(OFFSET_NUMBER, root))
}

/// Where a call that is named by some rule leads.
fn call_target(
    assembler: &mut Assembler,
    call: &Call,
    profile: &Profile<'_>,
    architecture: Architecture,
) -> Result<Target, Refusal> {
    if let Some(verdict) = call.always {
        return Ok(Target::Answer(verdict));
    }
    if call.sometimes.len() > MAX_RULES_PER_CALL {
        return Err(Refusal::TooManyRules);
    }
    // Not even begun once the whole is too long already: time is limited, too.
    if assembler.len() > MAX_INSTRUCTIONS {
        return Err(Refusal::TooLong);
    }
    let wide = architecture.has_wide_arguments();
    let default = Target::Answer(profile.default_action.verdict());
    Ok(match single_argument(&call.sometimes) {
        Some(index) => by_value(assembler, index, &call.sometimes, (wide, default)),
        None => call.sometimes.iter().rev().fold(default, |otherwise, (conditions, verdict)| {
            let matched = Target::Answer(*verdict);
            conditions.iter().rev().fold(matched, |next, condition| {
                comparison(assembler, *condition, wide, (next, otherwise))
            })
        }),
    })
}

/// The argument that all rules look at, when they look at no other and at no bits of it.
fn single_argument(rules: &[(Vec<Condition>, Verdict)]) -> Option<u8> {
    let mut index = None;
    for (conditions, _) in rules {
        let [condition] = conditions.as_slice() else { return None };
        if matches!(condition.operator, Operator::MaskedEqual { .. }) {
            return None;
        }
        if *index.get_or_insert(condition.index) != condition.index {
            return None;
        }
    }
    index
}

/// A tree over the values of one argument.
fn by_value(
    assembler: &mut Assembler,
    index: u8,
    rules: &[(Vec<Condition>, Verdict)],
    (wide, default): (bool, Target),
) -> Target {
    let last = if wide { u64::MAX } else { u64::from(u32::MAX) };
    let mut values = Partition::new(last, default);
    // The first rule counts, so it is painted last.
    for (conditions, verdict) in rules.iter().rev() {
        for condition in conditions {
            let target = Target::Answer(*verdict);
            for (from, to) in matching_ranges(condition.operator, last) {
                values.paint(from, to, target);
            }
        }
    }
    let offset = argument_offset(index);
    if !wide {
        let root = tree(assembler, &leaves(&values));
        return assembler.load(offset, root);
    }
    let upper = upper_halves(assembler, &values, offset);
    let root = tree(assembler, &leaves(&upper));
    assembler.load(offset + 4, root)
}

/// Reduces 64-bit ranges to ranges of their upper halves; an upper half that does not decide leads to a tree over the lower.
fn upper_halves(
    assembler: &mut Assembler,
    values: &Partition<Target>,
    offset: u32,
) -> Partition<Target> {
    let half = u64::from(u32::MAX);
    let pieces = values.pieces();
    let mut upper = Partition::new(half, pieces[0].2);
    for &(first, last, target) in &pieces {
        upper.paint(first >> 32, last >> 32, target);
    }
    let inside = pieces.iter().map(|piece| piece.0).filter(|start| start & half != 0);
    let mut undecided: Vec<u64> = inside.map(|start| start >> 32).collect();
    undecided.dedup();
    for word in undecided {
        let mut lower = Partition::new(half, pieces[0].2);
        for &(first, last, target) in &pieces {
            let (from, to) = (first.max(word << 32), last.min(word << 32 | half));
            if from <= to {
                lower.paint(from & half, to & half, target);
            }
        }
        let root = tree(assembler, &leaves(&lower));
        let target = assembler.load(offset, root);
        upper.paint(word, word, target);
    }
    upper
}

/// The values up to `last` for which a comparison holds.
fn matching_ranges(operator: Operator, last: u64) -> Vec<(u64, u64)> {
    // On a 32-bit interface only the lower half of the constant counts, too.
    let (below, above) = match operator {
        Operator::Equal(value) => return vec![(value & last, value & last)],
        Operator::NotEqual(value) => (Some(value & last), Some(value & last)),
        Operator::Less(value) => (Some(value & last), None),
        Operator::LessOrEqual(value) => return vec![(0, value & last)],
        Operator::GreaterOrEqual(value) => return vec![(value & last, last)],
        Operator::Greater(value) => (None, Some(value & last)),
        Operator::MaskedEqual { .. } => (None, None),
    };
    let below = below.and_then(|value| value.checked_sub(1)).map(|end| (0, end));
    let above = above.filter(|&value| value < last).map(|value| (value + 1, last));
    below.into_iter().chain(above).collect()
}

/// One comparison of a chain, which leads to the first target when it holds and else to the second.
fn comparison(
    assembler: &mut Assembler,
    condition: Condition,
    wide: bool,
    (yes, no): (Target, Target),
) -> Target {
    let low_offset = argument_offset(condition.index);
    let high_offset = low_offset + 4;
    match condition.operator {
        Operator::MaskedEqual { mask, value } => {
            let (mask_high, mask_low) = halves(mask);
            let (value_high, value_low) = halves(value & mask);
            let equal = assembler.branch(JUMP_EQUAL, value_low, yes, no);
            let masked = assembler.straight(AND, mask_low, equal);
            let low = assembler.load(low_offset, masked);
            if !wide || mask_high == 0 {
                return low;
            }
            let equal = assembler.branch(JUMP_EQUAL, value_high, low, no);
            let masked = assembler.straight(AND, mask_high, equal);
            assembler.load(high_offset, masked)
        }
        Operator::Equal(value) => {
            ordered(assembler, (JUMP_EQUAL, value), (low_offset, wide), (no, yes, no))
        }
        Operator::NotEqual(value) => {
            ordered(assembler, (JUMP_EQUAL, value), (low_offset, wide), (yes, no, yes))
        }
        Operator::Greater(value) => {
            ordered(assembler, (JUMP_GREATER, value), (low_offset, wide), (yes, yes, no))
        }
        Operator::LessOrEqual(value) => {
            ordered(assembler, (JUMP_GREATER, value), (low_offset, wide), (no, no, yes))
        }
        Operator::GreaterOrEqual(value) => {
            ordered(assembler, (JUMP_GREATER_EQUAL, value), (low_offset, wide), (yes, yes, no))
        }
        Operator::Less(value) => {
            ordered(assembler, (JUMP_GREATER_EQUAL, value), (low_offset, wide), (no, no, yes))
        }
    }
}

/// A comparison of both halves: a larger upper half leads to the first target, an equal one to the lower half's comparison
/// `code` with the second and third as its outcomes, and a smaller one to the third.
fn ordered(
    assembler: &mut Assembler,
    (code, value): (u16, u64),
    (low_offset, wide): (u32, bool),
    (larger, holds, fails): (Target, Target, Target),
) -> Target {
    let (value_high, value_low) = halves(value);
    let compared = assembler.branch(code, value_low, holds, fails);
    let low = assembler.load(low_offset, compared);
    if !wide {
        return low;
    }
    let equal = assembler.branch(JUMP_EQUAL, value_high, low, fails);
    let upper = if larger == fails {
        equal
    } else {
        assembler.branch(JUMP_GREATER, value_high, larger, equal)
    };
    assembler.load(low_offset + 4, upper)
}

/// A range of numbers, with up to two single numbers in it that lead elsewhere.
struct Leaf {
    start: u32,
    target: Target,
    islands: Vec<(u32, Target)>,
}

/// Ranges for a tree. A single number between two ranges with the same target costs one comparison as an island, two as a
/// range of its own.
fn leaves(partition: &Partition<Target>) -> Vec<Leaf> {
    let pieces = partition.pieces();
    let mut leaves: Vec<Leaf> = Vec::with_capacity(pieces.len());
    let mut index = 0;
    while let Some(&(first, last, target)) = pieces.get(index) {
        if let Some(leaf) = leaves.last_mut()
            && leaf.islands.len() < 2
            && first == last
            && pieces.get(index + 1).is_some_and(|next| next.2 == leaf.target)
        {
            leaf.islands.push((low_half(first), target));
            index += 2;
            continue;
        }
        leaves.push(Leaf { start: low_half(first), target, islands: Vec::new() });
        index += 1;
    }
    leaves
}

fn tree(assembler: &mut Assembler, leaves: &[Leaf]) -> Target {
    if let [leaf] = leaves {
        return leaf.islands.iter().fold(leaf.target, |otherwise, &(number, target)| {
            assembler.branch(JUMP_EQUAL, number, target, otherwise)
        });
    }
    let (left, right) = leaves.split_at(leaves.len() / 2);
    let start = right[0].start;
    let right = tree(assembler, right);
    let left = tree(assembler, left);
    assembler.branch(JUMP_GREATER_EQUAL, start, right, left)
}

fn halves(value: u64) -> (u32, u32) {
    (low_half(value >> 32), low_half(value))
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

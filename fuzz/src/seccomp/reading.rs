//! What a profile says of one call, read rule by rule as its author would: slow, and without anything of the compiler but the tables of
//! names and numbers.

use gantry_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall};
use gantry_seccomp::Machine;

use super::X32_BIT;
use super::interpreter::Call;
use crate::architecture::{ARM_PRIVATE, Architecture};
use crate::{multiplex, syscalls};

const KILL_THREAD: u32 = 0;
const ENOSYS: u32 = 0x0005_0026;

/// The numbers that a name has on any architecture.
pub(super) fn numbers_of(name: &str) -> Vec<u32> {
    let architectures = [
        Architecture::X86_64,
        Architecture::X86,
        Architecture::X32,
        Architecture::Aarch64,
        Architecture::Arm,
    ];
    let row = syscalls::find(name);
    architectures.iter().filter_map(|architecture| row?.number(*architecture)).collect()
}

/// The answer that the profile asks for.
pub(super) fn answer(machine: Machine, profile: &Seccomp, call: Call) -> u32 {
    let Some(architecture) = architecture(machine, profile, call) else { return KILL_THREAD };
    let base = if architecture == Architecture::X32 { X32_BIT } else { 0 };
    let number = call.number.wrapping_sub(base);
    let default = verdict(profile.default_action, profile.default_errno_ret);
    let mut first_that_holds = None;
    let mut is_named = false;
    for rule in &profile.syscalls {
        let action = verdict(rule.action, rule.errno_ret);
        // A rule that says what is said anyway does not stand in the way of others.
        if action == default {
            continue;
        }
        for name in &rule.names {
            let own = number_of(name, architecture) == Some(number);
            if own && rule.args.is_empty() {
                // Outranks every rule with conditions; the first such counts.
                return first_plain(profile, architecture, number, default);
            }
            let carried = architecture == Architecture::X86 && carries(name, number, call);
            is_named |= own || is_carrier_of(name, number, architecture);
            let holds = (own && holds(rule, call, architecture, false))
                || (carried && holds(rule, call, architecture, true));
            if holds {
                first_that_holds.get_or_insert(action);
            }
        }
    }
    match first_that_holds {
        Some(action) => action,
        None if !is_named && is_newer(profile, architecture, number) => ENOSYS,
        None => default,
    }
}

fn first_plain(profile: &Seccomp, architecture: Architecture, number: u32, default: u32) -> u32 {
    let plain = profile.syscalls.iter().find(|rule| {
        let named = rule.names.iter().any(|name| number_of(name, architecture) == Some(number));
        named && rule.args.is_empty() && verdict(rule.action, rule.errno_ret) != default
    });
    plain.map_or(default, |rule| verdict(rule.action, rule.errno_ret))
}

fn number_of(name: &str, architecture: Architecture) -> Option<u32> {
    syscalls::find(name)?.number(architecture)
}

/// Whose call it is; `None` when the profile does not list that architecture.
fn architecture(machine: Machine, profile: &Seccomp, call: Call) -> Option<Architecture> {
    let lists = |name: &str| profile.architectures.iter().any(|listed| listed == name);
    match (machine, call.audit) {
        (Machine::X86_64, 0xc000_003e) if call.number < X32_BIT => Some(Architecture::X86_64),
        (Machine::X86_64, 0xc000_003e) if lists("SCMP_ARCH_X32") => Some(Architecture::X32),
        (Machine::X86_64, 0xc000_003e) if call.number == u32::MAX => Some(Architecture::X86_64),
        (Machine::X86_64, 0x4000_0003) => lists("SCMP_ARCH_X86").then_some(Architecture::X86),
        (Machine::Aarch64, 0xc000_00b7) => Some(Architecture::Aarch64),
        (Machine::Aarch64, 0x4000_0028) => lists("SCMP_ARCH_ARM").then_some(Architecture::Arm),
        _ => None,
    }
}

fn is_carrier_of(name: &str, number: u32, architecture: Architecture) -> bool {
    architecture == Architecture::X86
        && multiplex::carrier(name)
            .is_some_and(|(carrier, _)| number_of(carrier, architecture) == Some(number))
}

/// The call is `socketcall` or `ipc`, and its first argument says that it means `name`.
fn carries(name: &str, number: u32, call: Call) -> bool {
    multiplex::carrier(name).is_some_and(|(carrier, which)| {
        number_of(carrier, Architecture::X86) == Some(number)
            && call.args[0] & u64::from(u32::MAX) == which
    })
}

/// Whether the rule's conditions hold. Of a carried call the first argument is taken, and the others lie in memory but count as they
/// stand.
fn holds(rule: &SeccompSyscall, call: Call, architecture: Architecture, carried: bool) -> bool {
    let repeats = (0..6).any(|index| rule.args.iter().filter(|arg| arg.index == index).count() > 1);
    let one = |arg: &SeccompArg| (carried && arg.index == 0) || compare(arg, call, architecture);
    if repeats { rule.args.iter().any(one) } else { rule.args.iter().all(one) }
}

fn compare(arg: &SeccompArg, call: Call, architecture: Architecture) -> bool {
    let wide = matches!(architecture, Architecture::X86_64 | Architecture::Aarch64);
    let bits = if wide { u64::MAX } else { u64::from(u32::MAX) };
    let Some(found) = usize::try_from(arg.index).ok().and_then(|index| call.args.get(index)) else {
        return false;
    };
    let (found, value, two) = (found & bits, arg.value & bits, arg.value_two & bits);
    match arg.op {
        SeccompOperator::NotEqual => found != value,
        SeccompOperator::Less => found < value,
        SeccompOperator::LessOrEqual => found <= value,
        SeccompOperator::Equal => found == value,
        SeccompOperator::GreaterOrEqual => found >= value,
        SeccompOperator::Greater => found > value,
        SeccompOperator::MaskedEqual => found & value == two & value,
    }
}

/// Whether the call came after every one that the profile names.
fn is_newer(profile: &Seccomp, architecture: Architecture, number: u32) -> bool {
    use SeccompAction as A;
    // A tracer that cancels a call sets its number to -1.
    if architecture == Architecture::X86_64 && number == u32::MAX {
        return false;
    }
    if matches!(profile.default_action, A::Allow | A::Log | A::Trace) {
        return false;
    }
    let is_private = |number: u32| architecture == Architecture::Arm && number >= ARM_PRIVATE;
    let named = profile.syscalls.iter().flat_map(|rule| &rule.names);
    let numbers = || named.clone().filter_map(|name| number_of(name, architecture));
    let newest_private = numbers().filter(|it| is_private(*it)).max();
    if is_private(number) && newest_private.is_some() {
        return newest_private < Some(number);
    }
    numbers().filter(|it| !is_private(*it)).max().is_some_and(|newest| number > newest)
}

fn verdict(action: SeccompAction, errno: Option<u32>) -> u32 {
    let errno = errno.unwrap_or(1);
    match action {
        SeccompAction::Kill | SeccompAction::KillThread => 0,
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno => 0x0005_0000 | errno,
        SeccompAction::Notify => 0x7fc0_0000,
        SeccompAction::Trace => 0x7ff0_0000 | errno,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

//! Between the specification's wording of a profile and the compiler's: checks, and the way in and out.

use std::borrow::Cow;

use gantry_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall};

use crate::action::{Action, EPERM, MAX_ERRNO};
use crate::architecture::{Architecture, Machine};
use crate::emit::{self, MAX_RULES_PER_CALL, Refusal};
use crate::error::Error;
use crate::program::{Flags, Program};
use crate::rule::{Condition, Operator, Profile, Rule};
use crate::{default_profile as defaults, precompiled};

/// Architectures of the specification that no process on our machines can use, so that they need no code.
const FOREIGN: &[&str] = &[
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

/// What carries the listener's descriptor out of the container; waiting on it for that listener would never end.
const HANDOVER: &[&str] = &["write", "sendmsg"];

/// Changes whenever a profile may become another program than before: programs that were kept are told apart by it.
pub const COMPILER_VERSION: u32 = 1;

/// The program of a profile that was compiled with this crate; `None` when it has to be compiled.
pub fn ready(seccomp: &Seccomp) -> Result<Option<Program>, Error> {
    let flags = flags(seccomp)?;
    let found = precompiled::find(&profile(Machine::NATIVE, seccomp)?);
    Ok(found.map(|ready| Program { instructions: Cow::Borrowed(ready), flags }))
}

/// Compiles a profile for this machine, or finds it among the ready ones.
///
/// As with runc and libseccomp: system calls that no architecture has are ignored; calls through an architecture that the
/// profile does not list kill the thread; the native architecture is always listed; a rule that repeats an argument holds
/// when any of its comparisons does; for one call a rule without conditions outranks those with, and among equals the
/// first counts; calls newer than any that the profile names get ENOSYS unless the default action lets them through.
/// Without any flags in the profile the program asks for [`Flags::SPEC_ALLOW`].
///
/// # Errors
/// [`Error`] names what the profile has wrong; a filter above 4096 instructions is refused.
pub fn compile(profile: &Seccomp) -> Result<Program, Error> {
    compile_for(Machine::NATIVE, profile)
}

/// Like [`compile`], for a machine that need not be this one.
pub fn compile_for(machine: Machine, seccomp: &Seccomp) -> Result<Program, Error> {
    let flags = flags(seccomp)?;
    let profile = profile(machine, seccomp)?;
    let instructions = match precompiled::find(&profile) {
        Some(ready) => Cow::Borrowed(ready),
        None => Cow::Owned(emit::program(&profile).map_err(|refusal| match refusal {
            Refusal::TooManyRules => Error::TooManyRules { limit: MAX_RULES_PER_CALL },
            Refusal::TooLong => Error::TooLong,
        })?),
    };
    Ok(Program { instructions, flags })
}

/// Docker's default profile for a process on this machine with the given bounding set (names such as `CAP_SYS_ADMIN`).
///
/// It is complete, for any runtime; [`compile`] has its program ready for the usual sets.
#[must_use]
pub fn default_profile<S: AsRef<str>>(capabilities: &[S]) -> Seccomp {
    default_profile_for(Machine::NATIVE, capabilities)
}

/// Like [`default_profile`], for a machine that need not be this one.
#[must_use]
pub fn default_profile_for<S: AsRef<str>>(machine: Machine, capabilities: &[S]) -> Seccomp {
    let capabilities: Vec<&str> = capabilities.iter().map(AsRef::as_ref).collect();
    let profile = defaults::profile(machine, &capabilities);
    Seccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: Some(EPERM.into()),
        architectures: profile.architectures.iter().map(|it| it.name().to_owned()).collect(),
        flags: Vec::new(),
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls: profile.rules.iter().map(worded).collect(),
    }
}

/// A rule of the default profile in the specification's words.
fn worded(rule: &Rule<'_>) -> SeccompSyscall {
    let (action, errno_ret) = match rule.action {
        Action::Errno(errno) => (SeccompAction::Errno, Some(errno.into())),
        Action::Trace(message) => (SeccompAction::Trace, Some(message.into())),
        Action::Allow => (SeccompAction::Allow, None),
        Action::Log => (SeccompAction::Log, None),
        Action::Trap => (SeccompAction::Trap, None),
        Action::Notify => (SeccompAction::Notify, None),
        Action::KillThread => (SeccompAction::KillThread, None),
        Action::KillProcess => (SeccompAction::KillProcess, None),
    };
    let args = rule.conditions.iter().map(|condition| {
        let (op, value, value_two) = match condition.operator {
            Operator::NotEqual(value) => (SeccompOperator::NotEqual, value, 0),
            Operator::Less(value) => (SeccompOperator::Less, value, 0),
            Operator::LessOrEqual(value) => (SeccompOperator::LessOrEqual, value, 0),
            Operator::Equal(value) => (SeccompOperator::Equal, value, 0),
            Operator::GreaterOrEqual(value) => (SeccompOperator::GreaterOrEqual, value, 0),
            Operator::Greater(value) => (SeccompOperator::Greater, value, 0),
            Operator::MaskedEqual { mask, value } => (SeccompOperator::MaskedEqual, mask, value),
        };
        SeccompArg { index: condition.index.into(), value, value_two, op }
    });
    SeccompSyscall {
        names: rule.names.iter().map(|&name| name.to_owned()).collect(),
        action,
        errno_ret,
        args: args.collect(),
    }
}

fn flags(seccomp: &Seccomp) -> Result<Flags, Error> {
    let mut flags = Flags::default();
    for flag in &seccomp.flags {
        flags = flags.union(match flag.as_str() {
            // A container's first process has one thread; there is nothing to synchronise.
            "SECCOMP_FILTER_FLAG_TSYNC" => Flags::default(),
            "SECCOMP_FILTER_FLAG_LOG" => Flags::LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Flags::SPEC_ALLOW,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => Flags::WAIT_KILLABLE_RECV,
            _ => return Err(Error::UnknownFlag { name: flag.clone() }),
        });
    }
    if seccomp.flags.is_empty() {
        flags = flags.union(Flags::SPEC_ALLOW);
    }
    if seccomp.syscalls.iter().any(|rule| rule.action == SeccompAction::Notify) {
        if seccomp.listener_path.is_empty() {
            return Err(Error::NotifyWithoutListener);
        }
        flags = flags.union(Flags::NEW_LISTENER);
    } else {
        // The kernel takes this flag only together with a listener.
        flags = flags.without(Flags::WAIT_KILLABLE_RECV);
    }
    Ok(flags)
}

fn profile(machine: Machine, seccomp: &Seccomp) -> Result<Profile<'_>, Error> {
    let default_action =
        action(seccomp.default_action, seccomp.default_errno_ret, || "the default action".into())?;
    if !seccomp.listener_metadata.is_empty() && seccomp.listener_path.is_empty() {
        return Err(Error::MetadataWithoutListener);
    }
    if default_action == Action::Notify {
        return Err(Error::NotifyDefault);
    }
    let mut rules = Vec::with_capacity(seccomp.syscalls.len());
    for syscall in &seccomp.syscalls {
        if syscall.names.is_empty() {
            return Err(Error::NoNames);
        }
        add_rules(&mut rules, syscall)?;
    }
    Ok(Profile { machine, architectures: architectures(machine, seccomp)?, default_action, rules })
}

/// The machine's architectures among those that the profile lists, in the machine's order.
fn architectures(machine: Machine, seccomp: &Seccomp) -> Result<Vec<Architecture>, Error> {
    let all = || [Machine::X86_64, Machine::Aarch64].into_iter().flat_map(Machine::architectures);
    for name in &seccomp.architectures {
        let known = all().any(|architecture| architecture.name() == name)
            || FOREIGN.contains(&name.as_str())
            || name == "SCMP_ARCH_NATIVE";
        if !known {
            return Err(Error::UnknownArchitecture { name: name.clone() });
        }
    }
    let listed = |architecture: &Architecture| {
        *architecture == machine.native()
            || seccomp.architectures.iter().any(|name| architecture.name() == name)
    };
    Ok(machine.architectures().iter().copied().filter(listed).collect())
}

fn add_rules<'a>(rules: &mut Vec<Rule<'a>>, syscall: &'a SeccompSyscall) -> Result<(), Error> {
    if syscall.names.iter().any(String::is_empty) {
        return Err(Error::EmptyName);
    }
    let first_name = syscall.names.first().map_or("", String::as_str);
    let action =
        action(syscall.action, syscall.errno_ret, || format!("the rule for {first_name:?}"))?;
    if action == Action::Notify
        && let Some(name) = syscall.names.iter().find(|name| HANDOVER.contains(&name.as_str()))
    {
        return Err(Error::NotifyHandover { syscall: name.clone() });
    }
    let mut conditions = Vec::with_capacity(syscall.args.len());
    for arg in &syscall.args {
        conditions.push(condition(arg, first_name)?);
    }
    let names: Vec<&str> = syscall.names.iter().map(String::as_str).collect();
    let mut seen = [false; 6];
    let repeats = conditions
        .iter()
        .any(|condition| std::mem::replace(&mut seen[usize::from(condition.index)], true));
    if repeats {
        rules.extend(conditions.into_iter().map(|condition| Rule {
            names: names.clone(),
            action,
            conditions: vec![condition],
        }));
    } else {
        rules.push(Rule { names, action, conditions });
    }
    Ok(())
}

fn action(
    action: SeccompAction,
    errno: Option<u32>,
    subject: impl Fn() -> String,
) -> Result<Action, Error> {
    let number = |limit: u16| {
        let errno = errno.unwrap_or(EPERM.into());
        u16::try_from(errno)
            .ok()
            .filter(|&errno| errno <= limit)
            .ok_or_else(|| Error::ErrnoTooLarge { subject: subject(), errno, limit: limit.into() })
    };
    let takes_none = match action {
        SeccompAction::Errno | SeccompAction::Trace => None,
        SeccompAction::Kill => Some("SCMP_ACT_KILL"),
        SeccompAction::KillThread => Some("SCMP_ACT_KILL_THREAD"),
        SeccompAction::KillProcess => Some("SCMP_ACT_KILL_PROCESS"),
        SeccompAction::Trap => Some("SCMP_ACT_TRAP"),
        SeccompAction::Allow => Some("SCMP_ACT_ALLOW"),
        SeccompAction::Log => Some("SCMP_ACT_LOG"),
        SeccompAction::Notify => Some("SCMP_ACT_NOTIFY"),
    };
    if let (Some(action), Some(errno)) = (takes_none, errno) {
        return Err(Error::UselessErrno { subject: subject(), errno, action });
    }
    Ok(match action {
        SeccompAction::Kill | SeccompAction::KillThread => Action::KillThread,
        SeccompAction::KillProcess => Action::KillProcess,
        SeccompAction::Trap => Action::Trap,
        SeccompAction::Errno => Action::Errno(number(MAX_ERRNO)?),
        SeccompAction::Trace => Action::Trace(number(u16::MAX)?),
        SeccompAction::Allow => Action::Allow,
        SeccompAction::Log => Action::Log,
        SeccompAction::Notify => Action::Notify,
    })
}

fn condition(arg: &SeccompArg, syscall: &str) -> Result<Condition, Error> {
    let index = u8::try_from(arg.index).ok().filter(|&index| index < 6);
    let index = index
        .ok_or_else(|| Error::ArgumentIndex { syscall: syscall.to_owned(), index: arg.index })?;
    let value = arg.value;
    let operator = match arg.op {
        SeccompOperator::NotEqual => Operator::NotEqual(value),
        SeccompOperator::Less => Operator::Less(value),
        SeccompOperator::LessOrEqual => Operator::LessOrEqual(value),
        SeccompOperator::Equal => Operator::Equal(value),
        SeccompOperator::GreaterOrEqual => Operator::GreaterOrEqual(value),
        SeccompOperator::Greater => Operator::Greater(value),
        SeccompOperator::MaskedEqual => Operator::MaskedEqual { mask: value, value: arg.value_two },
    };
    Ok(Condition { index, operator })
}

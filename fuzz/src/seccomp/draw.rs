//! Profiles and choices drawn from bytes and numbers: always the same from the same.

use gantry_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall};

const ACTIONS: [SeccompAction; 9] = [
    SeccompAction::Allow,
    SeccompAction::Errno,
    SeccompAction::Trap,
    SeccompAction::Trace,
    SeccompAction::Log,
    SeccompAction::Kill,
    SeccompAction::KillProcess,
    SeccompAction::KillThread,
    SeccompAction::Notify,
];

const OPERATORS: [SeccompOperator; 7] = [
    SeccompOperator::NotEqual,
    SeccompOperator::Less,
    SeccompOperator::LessOrEqual,
    SeccompOperator::Equal,
    SeccompOperator::GreaterOrEqual,
    SeccompOperator::Greater,
    SeccompOperator::MaskedEqual,
];

const ARCHITECTURES: [&str; 6] = [
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_S390X",
];

const NAMES: [&str; 24] = [
    "read",
    "write",
    "openat",
    "ioctl",
    "prctl",
    "kill",
    "mount",
    "clone",
    "lseek",
    "socket",
    "accept4",
    "socketcall",
    "ipc",
    "semop",
    "shmctl",
    "set_tls",
    "breakpoint",
    "openat2",
    "rt_sigaction",
    "waitpid",
    "no_such_call",
    "statmount",
    "futex_waitv",
    "mmap2",
];

/// The bytes, then zeroes without end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// Small, near a border of 32 bits, or anything.
    fn value(&mut self) -> u64 {
        match self.byte() % 4 {
            0 => u64::from(self.byte() % 8),
            1 => (1_u64 << (self.byte() % 64))
                .wrapping_add(u64::from(self.byte() % 3))
                .wrapping_sub(1),
            2 => u64::from(self.byte()) << 32 | u64::from(self.byte()),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }
}

pub(super) fn profile(data: &[u8]) -> Seccomp {
    let mut bytes = Bytes(data);
    let default_action = bytes.pick(&ACTIONS);
    let listed = bytes.byte();
    let architectures = ARCHITECTURES.iter().enumerate().filter(|(at, _)| listed >> at & 1 == 1);
    let mut profile = Seccomp {
        default_action,
        default_errno_ret: (listed & 0x40 != 0).then(|| u32::from(bytes.byte())),
        architectures: architectures.map(|(_, name)| (*name).to_owned()).collect(),
        flags: Vec::new(),
        listener_path: "/agent".to_owned(),
        listener_metadata: String::new(),
        syscalls: Vec::new(),
    };
    while !bytes.0.is_empty() && profile.syscalls.len() < 64 {
        profile.syscalls.push(rule(&mut bytes));
    }
    profile
}

fn rule(bytes: &mut Bytes<'_>) -> SeccompSyscall {
    let shape = bytes.byte();
    let names = (0..=shape & 3).map(|_| bytes.pick(&NAMES).to_owned()).collect();
    let action = bytes.pick(&ACTIONS);
    let errno_ret = (shape & 0x20 != 0).then(|| u32::from(bytes.byte()) << (shape >> 6));
    let arg = |bytes: &mut Bytes<'_>| SeccompArg {
        index: u32::from(bytes.byte() % 6),
        op: bytes.pick(&OPERATORS),
        value: bytes.value(),
        value_two: bytes.value(),
    };
    let args = (0..shape >> 2 & 3).map(|_| arg(bytes)).collect();
    SeccompSyscall { names, action, errno_ret, args }
}

/// Numbers from a seed (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        &from[usize::try_from(self.0 % from.len() as u64).expect("an index")]
    }
}

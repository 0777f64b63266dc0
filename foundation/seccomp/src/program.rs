//! A filter ready to load.

use std::borrow::Cow;

use crate::instruction::Instruction;

/// A compiled filter: at most 4096 instructions and the flags of seccomp(2) to load it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub(crate) instructions: Cow<'static, [Instruction]>,
    pub(crate) flags: Flags,
}

/// The flags of `SECCOMP_SET_MODE_FILTER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub(crate) u32);

impl Flags {
    /// Every answer except ALLOW is logged.
    pub const LOG: Self = Self(1 << 1);
    /// No mitigation of speculative store bypass (Linux 4.17); a loader may drop it where the kernel knows it not.
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// Loading returns a descriptor that receives notifications.
    pub const NEW_LISTENER: Self = Self(1 << 3);
    /// A notification that was received can only be interrupted by a deadly signal (Linux 5.19).
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);

    /// The value for the system call.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl Program {
    /// The instructions, to be passed as a `struct sock_fprog`. Never empty.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Whether loading gives a descriptor that must go to the profile's `listenerPath`.
    #[must_use]
    pub fn has_listener(&self) -> bool {
        self.flags.contains(Flags::NEW_LISTENER)
    }
}

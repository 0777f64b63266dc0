//! The system call interfaces of the two machines that Gantry runs on.

/// A system call interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    X86_64,
    X86,
    X32,
    Aarch64,
    Arm,
}

/// A kind of machine: one native interface and those that its kernel offers besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Aarch64,
}

/// Set in the number of every call that an x32 process makes.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// The calls that only 32-bit ARM has (`set_tls` and the like) begin here, far above all others.
pub(crate) const ARM_PRIVATE: u32 = 0x000f_0000;

impl Architecture {
    /// `AUDIT_ARCH_*` of `linux/audit.h`, as seccomp reports it. x32 shares its value with `x86_64`.
    pub(crate) const fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether the upper halves of arguments count. As in libseccomp they do not for x32, whose programs have 32-bit longs.
    pub(crate) const fn has_wide_arguments(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64)
    }

    /// The column in the table of system calls.
    pub(crate) const fn column(self) -> usize {
        match self {
            Self::X86_64 => 0,
            Self::X86 => 1,
            Self::X32 => 2,
            Self::Aarch64 => 3,
            Self::Arm => 4,
        }
    }

    /// The specification's name, such as `SCMP_ARCH_X86`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::X86 => "SCMP_ARCH_X86",
            Self::X32 => "SCMP_ARCH_X32",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
            Self::Arm => "SCMP_ARCH_ARM",
        }
    }
}

impl Machine {
    /// The machine this crate was compiled for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The machine this crate was compiled for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// Every interface of this machine, the native one first.
    pub(crate) const fn architectures(self) -> &'static [Architecture] {
        match self {
            Self::X86_64 => &[Architecture::X86_64, Architecture::X86, Architecture::X32],
            Self::Aarch64 => &[Architecture::Aarch64, Architecture::Arm],
        }
    }

    pub(crate) const fn native(self) -> Architecture {
        match self {
            Self::X86_64 => Architecture::X86_64,
            Self::Aarch64 => Architecture::Aarch64,
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("gantry-seccomp knows the system calls of x86_64 and aarch64 only");

//! What a filter answers, as the kernel encodes it (seccomp(2), `linux/seccomp.h`).

/// The answer to one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    KillThread,
    KillProcess,
    Trap,
    /// The call fails with this errno, at most [`MAX_ERRNO`].
    Errno(u16),
    /// The tracer gets this message.
    Trace(u16),
    Allow,
    Log,
    Notify,
}

/// The largest errno the kernel hands on (`MAX_ERRNO`); it cuts larger ones down silently.
pub(crate) const MAX_ERRNO: u16 = 4095;

/// "Operation not permitted": what ERRNO and TRACE carry when the profile names no number.
pub(crate) const EPERM: u16 = 1;

/// "Function not implemented": the answer to calls that are newer than the profile.
pub(crate) const ENOSYS: u16 = 38;

/// An [`Action`] in the kernel's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict(pub(crate) u32);

impl Action {
    pub(crate) const fn verdict(self) -> Verdict {
        // `u16 as u32` keeps the value; `From` is not const.
        Verdict(match self {
            Self::KillThread => 0x0000_0000,
            Self::KillProcess => 0x8000_0000,
            Self::Trap => 0x0003_0000,
            Self::Errno(errno) => 0x0005_0000 | errno as u32,
            Self::Notify => 0x7fc0_0000,
            Self::Trace(message) => 0x7ff0_0000 | message as u32,
            Self::Log => 0x7ffc_0000,
            Self::Allow => 0x7fff_0000,
        })
    }

    /// Whether calls unknown to the profile get through under this default action.
    ///
    /// A tracer counts: it can answer new calls by itself.
    pub(crate) const fn lets_through(self) -> bool {
        matches!(self, Self::Allow | Self::Log | Self::Trace(_))
    }
}

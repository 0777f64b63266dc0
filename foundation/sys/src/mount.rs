//! Attributes of mounts (`mount_setattr(2)`, Linux 5.12). The rest of the mount API is rustix's.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::check;

/// Attribute bits of `mount_setattr(2)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    pub const NONE: Self = Self(0);
    pub const RDONLY: Self = Self(0x1);
    pub const NOSUID: Self = Self(0x2);
    pub const NODEV: Self = Self(0x4);
    pub const NOEXEC: Self = Self(0x8);
    /// Not a bit but a two-bit field: these are its values, `ATIME` is the whole field.
    pub const ATIME: Self = Self(0x70);
    pub const RELATIME: Self = Self(0x0);
    pub const NOATIME: Self = Self(0x10);
    pub const STRICTATIME: Self = Self(0x20);
    pub const NODIRATIME: Self = Self(0x80);
    pub const NOSYMFOLLOW: Self = Self(0x20_0000);

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits, for `fsmount(2)`.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// How mount events travel between this mount and its peers (`mount_namespaces(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Private,
    Slave,
    Shared,
    Unbindable,
}

impl Propagation {
    const fn bits(self) -> u64 {
        match self {
            Self::Unbindable => libc::MS_UNBINDABLE,
            Self::Private => libc::MS_PRIVATE,
            Self::Slave => libc::MS_SLAVE,
            Self::Shared => libc::MS_SHARED,
        }
    }
}

/// What to change about a mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    pub set: Attributes,
    pub clear: Attributes,
    pub propagation: Option<Propagation>,
    /// The mounts below as well.
    pub recursive: bool,
}

impl Change {
    pub fn is_nothing(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty() && self.propagation.is_none()
    }
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Changes the mount whose root the descriptor refers to (attached or not).
pub fn set_attributes(mount: BorrowedFd<'_>, change: Change) -> io::Result<()> {
    let attributes = MountAttr {
        set: change.set.0,
        clear: change.clear.0,
        propagation: change.propagation.map_or(0, Propagation::bits),
        userns_fd: 0,
    };
    apply(mount, &attributes, change.recursive)
}

/// Maps the ids of files seen through this detached mount as the given user namespace does.
pub fn set_id_mapping(
    mount: BorrowedFd<'_>,
    user_namespace: BorrowedFd<'_>,
    recursive: bool,
) -> io::Result<()> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let userns_fd = u64::try_from(user_namespace.as_raw_fd()).unwrap_or(u64::MAX);
    let attributes = MountAttr { set: MOUNT_ATTR_IDMAP, clear: 0, propagation: 0, userns_fd };
    apply(mount, &attributes, recursive)
}

fn apply(mount: BorrowedFd<'_>, attributes: &MountAttr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is NUL-terminated, `attributes` has the kernel's layout and the size that is passed; both outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    })?;
    Ok(())
}

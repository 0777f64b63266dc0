//! Pseudo terminals of the container's own devpts. Every device is checked for what it is, whatever its path says.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_oci::runtime::ConsoleSize;
use rustix::fs::{FileType, OFlags, Stat, fstat, fstatfs, major, minor};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::Recursion;
use crate::root::{Missing, Root};

/// Both ends of a terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// Of a process that fails the terminal stays open until it has ended: closed before, it would hang up on the process, which could not
/// say any more what failed.
pub(crate) fn outlive_failure(terminal: Option<Terminal>) -> ManuallyDrop<Option<Terminal>> {
    ManuallyDrop::new(terminal)
}

const DEVPTS_MAGIC: u64 = 0x1cd1;
/// Unix 98 slaves have eight major numbers from here.
const FIRST_SLAVE_MAJOR: u32 = 136;

impl Terminal {
    /// Opens a new terminal through the devpts that is mounted in the container.
    pub(crate) fn open(root: &Root, size: Option<ConsoleSize>) -> Result<Self, Failure> {
        let what = "open a terminal on the container's /dev/pts";
        let multiplexer = root.find_without_links(Path::new("/dev/pts/ptmx")).during(what)?;
        let found = fstat(&multiplexer).during(what)?;
        let filesystem = fstatfs(&multiplexer).during(what)?.f_type;
        if !is_character_device(&found, 5, 2) || filesystem.cast_unsigned() != DEVPTS_MAGIC {
            return Err(Failure::invalid(
                "a terminal needs a devpts mount at /dev/pts, and this is none",
            ));
        }
        let master =
            root.open(Path::new("/dev/pts/ptmx"), OFlags::RDWR | OFlags::CLOEXEC).during(what)?;
        let opened = fstat(&master).during(what)?;
        if (opened.st_dev, opened.st_ino) != (found.st_dev, found.st_ino) {
            return Err(Failure::invalid("/dev/pts/ptmx was replaced while it was opened"));
        }
        unlockpt(&master).during(what)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).during(what)?;
        let number = major(fstat(&slave).during(what)?.st_rdev);
        if !(FIRST_SLAVE_MAJOR..FIRST_SLAVE_MAJOR + 8).contains(&number) {
            return Err(Failure::invalid("the terminal's other end is not a pseudo terminal"));
        }
        if let Some(size) = size {
            let size =
                Winsize { ws_row: size.height, ws_col: size.width, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&slave, size).during("set the terminal's size")?;
        }
        Ok(Self { master, slave })
    }

    /// Makes the terminal the container's `/dev/console`.
    pub(crate) fn attach_console(&self, root: &Root) -> Result<(), Failure> {
        let what = "attach the terminal to /dev/console";
        let path = Path::new("/dev/console");
        let target = root.find_or_make_without_links(path, Missing::File).during(what)?;
        let tree = filesystem::copy_of(self.slave.as_fd(), Recursion::TopOnly).during(what)?;
        filesystem::attach(tree.as_fd(), target.as_fd()).during(what)
    }
}

/// Whether this is the null device.
pub(crate) fn is_null(found: &Stat) -> bool {
    is_character_device(found, 1, 3)
}

pub(crate) fn is_character_device(found: &Stat, wanted_major: u32, wanted_minor: u32) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && (major(found.st_rdev), minor(found.st_rdev)) == (wanted_major, wanted_minor)
}

/// A handle on the host's null device, checked to be it.
pub(crate) fn null_device() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
    if is_null(&fstat(null.as_fd() as BorrowedFd<'_>)?) {
        Ok(null)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the host's /dev/null is no null device"))
    }
}

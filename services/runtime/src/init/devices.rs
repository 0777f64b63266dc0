//! Device nodes and the customary links in `/dev`.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use gantry_oci::runtime::{Device, DeviceKind};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, makedev, mknodat, statat, symlinkat,
};
use rustix::io::Errno;

use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::{MountKind, Plan, Recursion};
use crate::root::{Missing, Root};

/// Devices that every container has, by the specification.
const DEFAULT: [(&str, i64, i64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

pub(super) fn make(root: &Root, plan: &Plan) -> Result<(), Failure> {
    if is_from_host(plan) {
        return Ok(());
    }
    let bind = plan.namespaces.has_user();
    for (path, major, minor) in DEFAULT {
        if plan.linux.devices.iter().all(|device| device.path != path) {
            make_one(root, &character(path, major, minor), bind)?;
        }
    }
    for device in &plan.linux.devices {
        // The terminal becomes the console; a node in its place would only be covered.
        if device.path != "/dev/console" && device.path != "/dev/ptmx" {
            make_one(root, device, bind)?;
        }
    }
    make_links(root)
}

/// A `/dev` that is bound from the host has everything already, and it is not ours to change.
fn is_from_host(plan: &Plan) -> bool {
    plan.mounts.iter().any(|mount| {
        mount.destination == Path::new("/dev") && matches!(mount.kind, MountKind::Bind(_))
    })
}

fn character(path: &str, major: i64, minor: i64) -> Device {
    Device {
        path: path.to_owned(),
        kind: DeviceKind::Char,
        major,
        minor,
        file_mode: None,
        uid: None,
        gid: None,
    }
}

fn make_one(root: &Root, device: &Device, bind: bool) -> Result<(), Failure> {
    let what = || format!("make the device {}", device.path);
    let path = Path::new(&device.path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Failure::invalid(format!("{:?} is not a device's path", device.path)));
    };
    if bind {
        return bind_from_host(root, path);
    }
    let parent = root.find_or_make(parent, Missing::Directory).during_with(what)?;
    let kind = match device.kind {
        DeviceKind::Char => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    };
    let number = |number: i64| {
        u32::try_from(number).map_err(|_| {
            Failure::invalid(format!("device {}: {number} is not a device number", device.path))
        })
    };
    let numbers = makedev(number(device.major)?, number(device.minor)?);
    let mode = Mode::from_raw_mode(device.file_mode.unwrap_or(0o666) & 0o777);
    match mknodat(&parent, name, kind, mode, numbers) {
        Err(Errno::EXIST) => return check_existing(parent.as_fd(), name, kind, numbers),
        made => made.during_with(what)?,
    }
    let owner = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
    if owner != (0, 0) {
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .during_with(what)?;
    }
    Ok(())
}

/// An image may bring its own nodes; anything else in a device's place is not what programs expect there.
fn check_existing(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    kind: FileType,
    numbers: u64,
) -> Result<(), Failure> {
    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).during("look at a device")?;
    let same = FileType::from_raw_mode(found.st_mode) == kind
        && (kind == FileType::Fifo || found.st_rdev == numbers);
    if same {
        Ok(())
    } else {
        Err(Failure::invalid(format!(
            "the image has something else in the place of the device {}: mount a tmpfs on its directory",
            name.display()
        )))
    }
}

/// A user namespace may not make device nodes; the host's are bound instead.
fn bind_from_host(root: &Root, path: &Path) -> Result<(), Failure> {
    let what = || format!("bind the host's device {}", path.display());
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let device = rustix::fs::open(path, flags, Mode::empty()).during_with(what)?;
    let tree = filesystem::copy_of(device.as_fd(), Recursion::TopOnly).during_with(what)?;
    let target = root.find_or_make(path, Missing::File).during_with(what)?;
    filesystem::attach(tree.as_fd(), target.as_fd()).during_with(what)
}

fn make_links(root: &Root) -> Result<(), Failure> {
    let dev = root.find_or_make(Path::new("/dev"), Missing::Directory).during("open /dev")?;
    for (name, target) in LINKS {
        match symlinkat(target, &dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).during_with(|| format!("link /dev/{name}")),
        }
    }
    Ok(())
}

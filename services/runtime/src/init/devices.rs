//! Device nodes and the customary links in `/dev`.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use gantry_oci::runtime::{Device, DeviceKind};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, major, makedev, minor, mknodat,
    open, statat, symlinkat,
};
use rustix::io::Errno;

use crate::failure::{During, Failure};
use crate::filesystem;
use crate::plan::{MountKind, Plan, Recursion};
use crate::root::{Missing, Root};
use crate::rootless::{Caller, may_make_devices};

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

pub(super) fn make(root: &Root, plan: &Plan, caller: Caller) -> Result<(), Failure> {
    if is_from_host(plan) {
        return Ok(());
    }
    let bind = !may_make_devices(plan, caller);
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
    // A fifo is no device of the machine's: everybody may make one.
    if bind && device.kind != DeviceKind::Fifo {
        return bind_from_host(root, device);
    }
    let parent = root.find_or_make(parent, Missing::Directory).during_with(what)?;
    let kind = file_type(device.kind);
    let number = |number: i64| u32::try_from(number).ok();
    let numbers = match (device.kind, number(device.major), number(device.minor)) {
        (DeviceKind::Fifo, _, _) => 0,
        (_, Some(major), Some(minor)) => makedev(major, minor),
        _ => {
            return Err(Failure::invalid(format!(
                "linux.devices: {} needs a major and a minor number",
                device.path
            )));
        }
    };
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

fn file_type(kind: DeviceKind) -> FileType {
    match kind {
        DeviceKind::Char => FileType::CharacterDevice,
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Fifo => FileType::Fifo,
    }
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
fn bind_from_host(root: &Root, device: &Device) -> Result<(), Failure> {
    let what = || format!("bind the host's device {}", device.path);
    let node = host_node(device)?;
    let tree = filesystem::copy_of(node.as_fd(), Recursion::TopOnly).during_with(what)?;
    let target = root.find_or_make(Path::new(&device.path), Missing::File).during_with(what)?;
    filesystem::attach(tree.as_fd(), target.as_fd()).during_with(what)
}

/// The host's node of a device, whatever it is called there: looked for under the container's name for it, then under the kernel's.
fn host_node(device: &Device) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let is_it = |node: &OwnedFd| {
        fstat(node).is_ok_and(|found| {
            let numbers = (major(found.st_rdev).into(), minor(found.st_rdev).into());
            FileType::from_raw_mode(found.st_mode) == file_type(device.kind)
                && numbers == (device.major, device.minor)
        })
    };
    let names = [Some(device.path.clone()), kernel_name(device).map(|name| format!("/dev/{name}"))];
    let nodes = names.into_iter().flatten().flat_map(|name| open(name, flags, Mode::empty()));
    nodes.into_iter().find(is_it).ok_or_else(|| {
        Failure::invalid(format!(
            "the host has no node {}:{} for the device {}, and a user namespace cannot make one",
            device.major, device.minor, device.path
        ))
    })
}

/// The kernel's name for a device, relative to `/dev`, as its sysfs gives it (`DEVNAME`).
fn kernel_name(device: &Device) -> Option<String> {
    let kind = if device.kind == DeviceKind::Block { "block" } else { "char" };
    let path = format!("/sys/dev/{kind}/{}:{}/uevent", device.major, device.minor);
    let text = std::fs::read_to_string(path).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(name.to_owned())
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

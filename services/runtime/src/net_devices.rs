//! Moving network devices of the host's into a container, with their addresses. What fails is taken back.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_netlink::route::{Address, Link, LinkName};
use gantry_netlink::{Error, Socket};
use gantry_sys::clone::{Namespaces, setns};
use rustix::fs::fstat;

use crate::failure::{Class, During, Failure, errno_text};
use crate::plan::{InsideName, NetDevicePlan};
use crate::rollback::Rollback;

/// Moves the devices from this process's network namespace to the one behind `target`.
///
/// Each has its name inside, its permanent global addresses, and is up. `rollback` brings them back to where and what they were.
///
/// # Errors
/// A device that is not there, a name that is taken in the container, and whatever the kernel refuses.
pub(crate) fn hand_over(
    devices: &[NetDevicePlan],
    target: BorrowedFd<'_>,
    rollback: &mut Rollback,
) -> Result<(), Failure> {
    let home: OwnedFd =
        File::open("/proc/self/ns/net").during("open the own network namespace")?.into();
    let place =
        |fd| fstat(fd).map(|found| (found.st_dev, found.st_ino)).during("look at a namespace");
    if place(target)? == place(home.as_fd())? {
        // What follows would rename the host's own devices.
        return Err(Failure::new(Class::Internal, "the container is in the host's network"));
    }
    let mut host = Socket::route().map_err(|error| refused(&error))?;
    let mut inside = socket_in(target, home.as_fd())?;
    for device in devices {
        let moved = hand_over_one(device, &mut host, &mut inside, target)?;
        let (target, home) = (copy(target)?, copy(home.as_fd())?);
        rollback.on_failure(move || drop(moved.bring_back(&target, &home)));
    }
    Ok(())
}

/// A device as it was on the host.
struct Moved {
    host_name: LinkName,
    inside_name: LinkName,
    was_up: bool,
    addresses: Vec<Address>,
}

fn hand_over_one(
    device: &NetDevicePlan,
    host: &mut Socket,
    inside: &mut Socket,
    target: BorrowedFd<'_>,
) -> Result<Moved, Failure> {
    let name = &device.host;
    let link = host
        .link(name)
        .map_err(|error| refused(&error))?
        .ok_or_else(|| Failure::invalid(format!("the network device {name} does not exist")))?;
    let inside_name = free_name(&device.inside, inside)?;
    let addresses = host.addresses(&link).map_err(|error| refused(&error))?;
    let addresses: Vec<_> =
        addresses.into_iter().filter(|it| it.is_permanent() && it.is_global()).collect();
    host.send(&[link.move_to(target, &inside_name)]).map_err(|error| refused(&error))?;
    let moved = Moved { host_name: name.clone(), inside_name, was_up: link.is_up(), addresses };
    let settled = settle(inside, &moved.inside_name, &moved.host_name, &moved.addresses, true);
    if let Err(error) = settled {
        let home = File::open("/proc/self/ns/net").during("open the own network namespace")?;
        drop(moved.bring_back(&copy(target)?, &home.into()));
        return Err(refused(&error));
    }
    Ok(moved)
}

/// The name inside, when no device there has it.
fn free_name(wanted: &InsideName, inside: &mut Socket) -> Result<LinkName, Failure> {
    match wanted {
        InsideName::Exactly(name) => match inside.link(name).map_err(|error| refused(&error))? {
            None => Ok(name.clone()),
            Some(_) => Err(Failure::invalid(format!(
                "the container has a network device {name} already (linux.netDevices)"
            ))),
        },
        InsideName::Numbered(stem) => {
            let taken = inside.links().map_err(|error| refused(&error))?;
            let is_free = |name: &String| taken.iter().all(|link: &Link| link.name != *name);
            // Among one more than there are devices one must be free.
            (0..=taken.len())
                .map(|number| format!("{stem}{number}"))
                .find(is_free)
                .and_then(|name| name.parse().ok())
                .ok_or_else(|| {
                    Failure::invalid(format!("no network device can have the name {stem}%d"))
                })
        }
    }
}

/// Gives a device that has just arrived its addresses, and sets it up.
fn settle(
    socket: &mut Socket,
    name: &LinkName,
    old_name: &LinkName,
    addresses: &[Address],
    up: bool,
) -> Result<(), Error> {
    let Some(link) = socket.link(name)? else { return Ok(()) };
    let mut requests: Vec<_> =
        addresses.iter().map(|address| address.add_to(&link, old_name)).collect();
    requests.extend(up.then(|| link.up()));
    socket.send(&requests)
}

impl Moved {
    /// Best effort, for after another failure.
    fn bring_back(&self, target: &OwnedFd, home: &OwnedFd) -> Result<(), Failure> {
        let mut inside = socket_in(target.as_fd(), home.as_fd())?;
        let mut host = Socket::route().map_err(|error| refused(&error))?;
        if let Some(link) = inside.link(&self.inside_name).map_err(|error| refused(&error))? {
            let back = link.move_to(home.as_fd(), &self.host_name);
            inside.send(&[back]).map_err(|error| refused(&error))?;
            let name = &self.host_name;
            settle(&mut host, name, name, &self.addresses, self.was_up)
                .map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

/// A socket stays in the namespace that it was opened in.
fn socket_in(target: BorrowedFd<'_>, home: BorrowedFd<'_>) -> Result<Socket, Failure> {
    setns(target, Namespaces::NETWORK).during("enter the container's network namespace")?;
    let socket = Socket::route();
    setns(home, Namespaces::NETWORK).during("return to the own network namespace")?;
    socket.map_err(|error| refused(&error))
}

fn copy(fd: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    fd.try_clone_to_owned().during("copy a descriptor")
}

fn refused(error: &Error) -> Failure {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let cause = cause.map(|cause| format!(": {}", errno_text(cause))).unwrap_or_default();
    Failure::new(Class::Internal, format!("{error}{cause} (linux.netDevices)"))
}

//! Device nodes of the host, looked up when a container starts.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use gantry_api::container::{DeviceMapping, HostConfig};
use gantry_oci::runtime::{Device, DeviceKind, DeviceRule};
use rustix::fs::{major, minor};

use crate::Result;
use crate::error::Error;

/// What lies in the host's `/dev` but belongs to each container itself.
const OWN: [&str; 8] = ["pts", "shm", "fd", "mqueue", "console", "ptmx", ".udev", "core"];

/// A device with its cgroup rights.
pub(crate) type GivenDevice = (Device, DeviceRule);

/// What a container gets: all of the host's when it is privileged, and what was asked for. Of two at one path the later.
pub(crate) fn given(host: &HostConfig) -> Result<Vec<GivenDevice>> {
    let mut given = Vec::new();
    if host.privileged {
        // What disappears meanwhile is left out.
        collect(Path::new("/dev"), &mut given);
    }
    for mapping in &host.devices {
        for device in asked(mapping)? {
            given.retain(|(known, _): &GivenDevice| known.path != device.0.path);
            given.push(device);
        }
    }
    Ok(given)
}

fn collect(dir: &Path, given: &mut Vec<GivenDevice>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        // Links are not followed: the device behind one is listed under its own name.
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => collect(&path, given),
            Ok(metadata) => given.extend(device(&path, &metadata, "rwm")),
            Err(_) => {}
        }
    }
}

/// The devices that `--device` names: one, or all that a directory has.
fn asked(mapping: &DeviceMapping) -> Result<Vec<GivenDevice>> {
    let or = |text: &str, default: &str| {
        if text.is_empty() { default.to_owned() } else { text.to_owned() }
    };
    let host = &mapping.path_on_host;
    let target = or(&mapping.path_in_container, host);
    let access = or(&mapping.cgroup_permissions, "rwm");
    if !target.starts_with('/') || !access.bytes().all(|byte| b"rwm".contains(&byte)) {
        return Err(Error::invalid(format!(
            "invalid device specification: {host}:{target}:{access}"
        )));
    }
    let failed = |source| Error::Device { path: host.clone(), source };
    let metadata = fs::metadata(host).map_err(failed)?;
    if !metadata.is_dir() {
        let one = device(Path::new(&target), &metadata, &access);
        let one = one.ok_or_else(|| failed(std::io::Error::other("not a device node")))?;
        return Ok(vec![one]);
    }
    let mut found = Vec::new();
    // A link to a directory means the directory.
    let directory = fs::canonicalize(host).map_err(failed)?;
    collect_as(&directory, (&directory, Path::new(&target)), &access, &mut found);
    Ok(found)
}

/// The devices below `dir`, with paths that begin with `to` where those of the host begin with `from`.
fn collect_as(dir: &Path, (from, to): (&Path, &Path), access: &str, found: &mut Vec<GivenDevice>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => collect_as(&path, (from, to), access, found),
            Ok(metadata) => {
                let Ok(below) = path.strip_prefix(from) else { continue };
                found.extend(device(&to.join(below), &metadata, access));
            }
            Err(_) => {}
        }
    }
}

fn device(path: &Path, metadata: &fs::Metadata, access: &str) -> Option<GivenDevice> {
    let kind = metadata.file_type();
    let (kind, letter) = if kind.is_block_device() {
        (DeviceKind::Block, "b")
    } else if kind.is_char_device() {
        (DeviceKind::Char, "c")
    } else {
        return None;
    };
    let number = metadata.rdev();
    let device = Device {
        path: path.to_string_lossy().into_owned(),
        kind,
        major: i64::from(major(number)),
        minor: i64::from(minor(number)),
        file_mode: Some(metadata.mode() & 0o7777),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
    };
    let rule = DeviceRule {
        allow: true,
        kind: letter.to_owned(),
        major: Some(device.major),
        minor: Some(device.minor),
        access: access.to_owned(),
    };
    Some((device, rule))
}

//! Devices of the Container Device Interface: found in the folders of specifications, looked up when a container starts,
//! so that a device which was announced meanwhile is there.
//!
//! Follows tags.cncf.io/container-device-interface: of two folders the later wins; a device that two files of one folder
//! describe is nobody's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use gantry_api::container::DeviceRequest;
use rustix::fs::{major, minor};

use crate::error::Error;
use crate::plan::{ContainerEdits, Specification, is_qualified};
use crate::{Result, settings::ContainerDefaults};

/// No specification is longer: those of a machine with many devices have some hundred kilobytes.
const MAX_BYTES: u64 = 4 << 20;
/// No folder has more specifications.
const MAX_FILES: usize = 1000;
/// Whose devices serve a request for GPUs that names no driver, best first.
const GPU_VENDORS: [(&str, &str); 3] =
    [("nvidia", "nvidia.com/gpu"), ("amd", "amd.com/gpu"), ("intel", "intel.com/gpu")];
/// The driver of requests by full name.
const DRIVER: &str = "cdi";

/// What the folders have.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    specifications: Vec<Specification>,
    /// Full name → specification, and the device in it.
    devices: BTreeMap<String, (usize, usize)>,
    /// Names that two files of one folder have.
    conflicts: BTreeSet<String>,
}

impl Catalogue {
    /// Reads the folders. One that is not there has none; a file that cannot be used is told of in the log.
    pub(crate) fn read(folders: &[PathBuf]) -> Self {
        let mut catalogue = Self::default();
        for folder in folders {
            let mut own = BTreeSet::new();
            for path in files(folder) {
                match specification(&path) {
                    Ok(specification) => catalogue.add(specification, &mut own),
                    Err(why) => {
                        tracing::warn!(path = %path.display(), why, "cannot use this specification of devices");
                    }
                }
            }
        }
        catalogue
    }

    /// `own` has the names that other files of the same folder have.
    fn add(&mut self, specification: Specification, own: &mut BTreeSet<String>) {
        let at = self.specifications.len();
        for (number, device) in specification.devices.iter().enumerate() {
            let name = format!("{}={}", specification.kind, device.name);
            if own.insert(name.clone()) {
                self.conflicts.remove(&name);
                self.devices.insert(name, (at, number));
            } else {
                self.devices.remove(&name);
                self.conflicts.insert(name);
            }
        }
        self.specifications.push(specification);
    }

    /// The full names of all devices.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.devices.keys()
    }

    /// The edits of these devices, and before them, once, those that every device of their file brings.
    fn edits(&self, names: &[String]) -> Result<Vec<ContainerEdits>> {
        let unknown: Vec<&str> = names
            .iter()
            .filter(|name| !self.devices.contains_key(*name))
            .map(String::as_str)
            .collect();
        if !unknown.is_empty() {
            let conflicts = unknown.iter().any(|name| self.conflicts.contains(*name));
            let hint = if conflicts { " (two specifications have the same name)" } else { "" };
            return Err(Error::invalid(format!(
                "CDI device injection failed: unresolvable CDI devices {}{hint}",
                unknown.join(", ")
            )));
        }
        let mut edits = Vec::new();
        let mut begun = BTreeSet::new();
        for name in names {
            let (at, number) = self.devices[name];
            let specification = &self.specifications[at];
            if begun.insert(at) {
                edits.push(specification.container_edits.clone());
            }
            edits.push(specification.devices[number].container_edits.clone());
        }
        edits.iter_mut().try_for_each(complete)?;
        Ok(edits)
    }
}

/// The specifications of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_one =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "json" || end == "yaml");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(is_one).take(MAX_FILES).collect();
    files.sort();
    files
}

fn specification(path: &Path) -> Result<Specification, String> {
    let text = read_bounded(path).map_err(|error| error.to_string())?;
    let read: Specification = if path.extension().is_some_and(|end| end == "json") {
        serde_json::from_str(&text).map_err(|error| error.to_string())?
    } else {
        serde_saphyr::from_str(&text).map_err(|error| error.to_string())?
    };
    read.check().map(|()| read)
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // Asked before it is opened: a pipe would keep us waiting.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// Fills in what the device nodes leave to the host.
fn complete(edits: &mut ContainerEdits) -> Result<()> {
    for node in &mut edits.device_nodes {
        let has_number = node.kind == "p" || node.major > 0;
        if !node.kind.is_empty() && has_number {
            continue;
        }
        let path = node.host_path().to_owned();
        let failed = |source| Error::Device { path: path.clone(), source };
        let found = fs::metadata(&path).map_err(failed)?;
        let kind = found.file_type();
        let letter = if kind.is_block_device() {
            "b"
        } else if kind.is_char_device() {
            "c"
        } else if kind.is_fifo() {
            "p"
        } else {
            return Err(failed(std::io::Error::other("not a device node")));
        };
        let asked = if node.kind == "u" { "c" } else { node.kind.as_str() };
        if !asked.is_empty() && asked != letter {
            let reason = format!("it has the type {letter}, and the specification says {asked}");
            return Err(failed(std::io::Error::other(reason)));
        }
        letter.clone_into(&mut node.kind);
        if letter != "p" {
            let number = found.rdev();
            (node.major, node.minor) = (i64::from(major(number)), i64::from(minor(number)));
        }
        node.file_mode = node.file_mode.or(Some(found.mode() & 0o7777));
        node.uid = node.uid.or(Some(found.uid()).filter(|uid| *uid > 0));
        node.gid = node.gid.or(Some(found.gid()).filter(|gid| *gid > 0));
    }
    Ok(())
}

/// What the devices change that a container asks for.
pub(super) fn edits_for(
    requests: &[DeviceRequest],
    defaults: &ContainerDefaults,
) -> Result<Vec<ContainerEdits>> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let catalogue = Catalogue::read(&defaults.cdi_spec_dirs);
    let mut names = Vec::new();
    for request in requests {
        for name in names_of(request, &catalogue, !defaults.cdi_spec_dirs.is_empty())? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    catalogue.edits(&names)
}

/// The full names that a request means.
fn names_of(request: &DeviceRequest, catalogue: &Catalogue, is_on: bool) -> Result<Vec<String>> {
    if request.driver == DRIVER && is_on {
        if let Some(name) = request.device_ids.iter().find(|name| !is_qualified(name)) {
            return Err(Error::invalid(format!(
                "invalid CDI device name {name:?}: it is no vendor/class=name"
            )));
        }
        return Ok(request.device_ids.clone());
    }
    let wants_gpu = request.capabilities.iter().flatten().any(|word| word == "gpu");
    let serves = |(driver, kind): &&(&str, &str)| {
        (request.driver == *driver || (request.driver.is_empty() && wants_gpu))
            && catalogue
                .names()
                .any(|name| name.strip_prefix(kind).is_some_and(|it| it.starts_with('=')))
    };
    let Some((_, kind)) = GPU_VENDORS.iter().filter(|_| is_on).find(serves) else {
        return Err(Error::invalid(format!(
            "could not select device driver {:?} with capabilities: {}",
            request.driver,
            shown(&request.capabilities)
        )));
    };
    if !request.device_ids.is_empty() {
        if request.count != 0 && request.count != -1 {
            return Err(Error::invalid("cannot set both Count and DeviceIDs on device request"));
        }
        return Ok(request.device_ids.iter().map(|id| format!("{kind}={id}")).collect());
    }
    match usize::try_from(request.count) {
        // −1, and nothing said.
        Err(_) | Ok(0) => Ok(vec![format!("{kind}=all")]),
        Ok(count) => {
            Ok((0..count.min(MAX_FILES)).map(|number| format!("{kind}={number}")).collect())
        }
    }
}

/// As Go prints lists of lists: `[[gpu compute] [x]]`.
fn shown(capabilities: &[Vec<String>]) -> String {
    let inner: Vec<String> =
        capabilities.iter().map(|all| format!("[{}]", all.join(" "))).collect();
    format!("[{}]", inner.join(" "))
}

#[cfg(test)]
mod tests;

//! Intel's resource director (`linux.intelRdt`): groups of the `resctrl` file system that limit cache and memory bandwidth.
//!
//! Source: the kernel's Documentation/filesystems/resctrl.rst and the specification's section on `IntelRdt`.

mod schemata;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gantry_oci::runtime::IntelRdt;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::failure::{During, Failure};
use gantry_sys::mountinfo;

/// A container's place, kept in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    /// The class of service's directory.
    directory: PathBuf,
    /// The directory is the container's own, and goes with it.
    made: bool,
    /// The container's monitoring group, which is always its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitor: Option<PathBuf>,
}

/// The mounted file system.
#[derive(Debug)]
pub(crate) struct Resctrl {
    root: PathBuf,
}

/// Checks what can be checked without the file system.
pub(crate) fn check(asked: &IntelRdt) -> Result<(), Failure> {
    let refused = |reason: String| Failure::invalid(format!("linux.intelRdt: {reason}"));
    let id = asked.clos_id.as_str();
    if id != "/" && (id.contains(['/', '\0', '\n']) || matches!(id, "." | "..")) {
        return Err(refused(format!("closID {id:?} cannot be a directory's name")));
    }
    if !asked.mem_bw_schema.is_empty() && !asked.mem_bw_schema.starts_with("MB:") {
        return Err(refused(format!(
            "memBwSchema {:?} does not start with MB:",
            asked.mem_bw_schema
        )));
    }
    if asked.mem_bw_schema.contains('\n') {
        return Err(refused("memBwSchema holds a line break".to_owned()));
    }
    Ok(())
}

impl Resctrl {
    /// Where the file system is mounted.
    pub(crate) fn find() -> Result<Self, Failure> {
        let table =
            mountinfo::read(gantry_sys::process::pid()).during("read the table of mounts")?;
        let mount = table.into_iter().find(|mount| mount.kind == "resctrl").ok_or_else(|| {
            Failure::invalid(
                "linux.intelRdt is set, but no resctrl file system is mounted: mount -t resctrl resctrl /sys/fs/resctrl",
            )
        })?;
        Ok(Self { root: mount.place.into() })
    }

    /// Finds or makes the group that the document asks for; `id` is the container's, which the specification takes for a name where
    /// the document has none. What this call made is taken back when it fails.
    pub(crate) fn join(&self, asked: &IntelRdt, id: &str) -> Result<Group, Failure> {
        let lines = schemata::lines(asked);
        let directory = match asked.clos_id.as_str() {
            "" => self.root.join(id),
            "/" => self.root.clone(),
            name => self.root.join(name),
        };
        let exists = directory.is_dir();
        if !exists && !asked.clos_id.is_empty() && lines.is_empty() {
            return Err(Failure::invalid(format!(
                "linux.intelRdt: closID {:?} has no schema, and there is no {}",
                asked.clos_id,
                directory.display()
            )));
        }
        let mut group = Group { directory, made: !exists, monitor: None };
        let filled = group.fill(asked, id, &lines, exists);
        if filled.is_err() {
            // The failure before is the one to report.
            drop(group.remove());
        }
        filled.map(|()| group)
    }
}

impl Group {
    fn fill(
        &mut self,
        asked: &IntelRdt,
        id: &str,
        lines: &[String],
        exists: bool,
    ) -> Result<(), Failure> {
        if !exists {
            make(&self.directory)?;
        }
        let file = self.directory.join("schemata");
        if exists && !asked.clos_id.is_empty() {
            let what = || format!("read {}", file.display());
            let found = fs::read_to_string(&file).during_with(what)?;
            if let Some(line) = lines.iter().find(|line| !schemata::holds(&found, line)) {
                return Err(Failure::invalid(format!(
                    "linux.intelRdt: {} exists, and its schemata are not {line:?}",
                    self.directory.display()
                )));
            }
        } else {
            write_schemata(&file, lines)?;
        }
        if asked.enable_monitoring {
            let monitor = self.directory.join("mon_groups").join(id);
            make(&monitor)?;
            self.monitor = Some(monitor);
        }
        Ok(())
    }

    /// Moves a process with one thread into the group; its children are born there.
    pub(crate) fn add(&self, pid: i32) -> Result<(), Failure> {
        for directory in std::iter::once(&self.directory).chain(&self.monitor) {
            let tasks = directory.join("tasks");
            // One write is one process, as with cgroups.
            fs::OpenOptions::new()
                .write(true)
                .open(&tasks)
                .and_then(|mut file| io::Write::write_all(&mut file, pid.to_string().as_bytes()))
                .during_with(|| format!("add process {pid} to {}", tasks.display()))?;
        }
        Ok(())
    }

    /// Changes the schemata that `asked` names.
    pub(crate) fn update(&self, asked: &IntelRdt) -> Result<(), Failure> {
        write_schemata(&self.directory.join("schemata"), &schemata::lines(asked))
    }

    /// Takes the container's own directories away. What is gone already is fine.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let own = self.made.then_some(&self.directory);
        for directory in self.monitor.iter().chain(own) {
            match fs::remove_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn write_schemata(file: &Path, lines: &[String]) -> Result<(), Failure> {
    for line in lines {
        fs::OpenOptions::new()
            .write(true)
            .open(file)
            .and_then(|mut open| io::Write::write_all(&mut open, format!("{line}\n").as_bytes()))
            .during_with(|| format!("linux.intelRdt: write {line:?} to {}", file.display()))?;
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), Failure> {
    match fs::create_dir(directory) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOSPC) => Err(Failure::invalid(
            format!("linux.intelRdt: the processor has no group left for {}", directory.display()),
        )),
        made => made.during_with(|| format!("linux.intelRdt: make {}", directory.display())),
    }
}

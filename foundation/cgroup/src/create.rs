//! Making a cgroup: directories in every hierarchy, what they need before a process can join, and the limits.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use gantry_oci::runtime::LinuxResources;
use rustix::fs::Mode;
use rustix::io::Errno;

use crate::apply::Occasion;
use crate::cgroup::{Cgroup, Member, for_each_below, starts};
use crate::directory::Directory;
use crate::error::Error;
use crate::hierarchy::{Hierarchies, Hierarchy, Layout, Version};
use crate::others;
use crate::path::CgroupPath;

/// How often to begin again when somebody removes a parent while it is being filled.
const ATTEMPTS: usize = 5;
/// The files of a v1 cpuset that must not be empty before a process joins.
const CPUSET_FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

impl Cgroup {
    /// Makes the cgroup in every hierarchy and sets its limits. Directories that are there already are taken over when
    /// no process is in them or below. Devices are denied except those that `resources` and the specification's default list allow.
    ///
    /// # Errors
    /// Whatever fails, all directories that this call made are removed again. A limit that the kernel does not know or
    /// refuses is named in the error.
    pub fn create(
        hierarchies: &Hierarchies,
        path: &CgroupPath,
        resources: &LinuxResources,
    ) -> Result<Self, Error> {
        Self::create_on(Occasion::Creation, hierarchies, path, resources)
    }

    /// The same without a word about devices: for callers whom the kernel does not let restrict them, and who cannot make device nodes
    /// either.
    pub fn create_without_devices(
        hierarchies: &Hierarchies,
        path: &CgroupPath,
        resources: &LinuxResources,
    ) -> Result<Self, Error> {
        let resources = LinuxResources { devices: Vec::new(), ..resources.clone() };
        Self::create_on(Occasion::Update, hierarchies, path, &resources)
    }

    fn create_on(
        occasion: Occasion,
        hierarchies: &Hierarchies,
        path: &CgroupPath,
        resources: &LinuxResources,
    ) -> Result<Self, Error> {
        let mut made = Made::default();
        let layout = hierarchies.layout();
        let mut members = Vec::new();
        for (hierarchy, start) in starts(hierarchies, path)? {
            let wanted = controllers_to_enable(&hierarchy, layout, resources);
            let (directory, is_new) = make(&mut made, (&hierarchy, &start), path, &wanted)?;
            let others = if is_new { Vec::new() } else { others::below(&directory)? };
            members.push(Member { hierarchy, directory, is_new, others });
        }
        let cgroup = Self { layout, members };
        cgroup.fill_cpuset(path.prefixes().count())?;
        cgroup.refuse_frozen()?;
        cgroup.apply_on(occasion, resources)?;
        made.keep();
        Ok(cgroup)
    }

    /// Gives v1 cpusets that are still empty what their parent has: without, no process could join them.
    fn fill_cpuset(&self, depth: usize) -> Result<(), Error> {
        let holds =
            |it: &&Member| it.hierarchy.version() == Version::V1 && it.hierarchy.holds("cpuset");
        let Some(member) = self.members.iter().find(holds) else { return Ok(()) };
        for file in CPUSET_FILES {
            fill(&member.directory, file, depth)?;
        }
        Ok(())
    }
}

/// Fills one file of a cpuset from its parent, which is filled first when it is empty, too, up to `levels` upwards.
fn fill(directory: &Directory, file: &str, levels: usize) -> Result<String, Error> {
    let own = directory.read(file)?.trim().to_owned();
    if !own.is_empty() || levels == 0 {
        return Ok(own);
    }
    let parent = directory
        .parent()
        .map_err(|source| Error::Open { directory: directory.path().to_owned(), source })?;
    let inherited = fill(&parent, file, levels - 1)?;
    directory.write(file, &inherited)?;
    Ok(inherited)
}

/// The v2 controllers that the new cgroup shall have. On a hybrid machine v1 has nearly all, and only those are enabled that
/// a limit asks for.
fn controllers_to_enable(
    hierarchy: &Hierarchy,
    layout: Layout,
    resources: &LinuxResources,
) -> Vec<String> {
    if hierarchy.version() == Version::V1 {
        return Vec::new();
    }
    let wanted = |name: &&str| match *name {
        _ if layout == Layout::Unified => true,
        name if resources.unified.keys().any(|file| file.split('.').next() == Some(name)) => true,
        "hugetlb" => !resources.hugepage_limits.is_empty(),
        "rdma" => !resources.rdma.is_empty(),
        "pids" => resources.pids.is_some(),
        "memory" => resources.memory.is_some(),
        "cpu" | "cpuset" => resources.cpu.is_some(),
        "io" => resources.block_io.is_some(),
        _ => false,
    };
    hierarchy.controllers().filter(wanted).map(str::to_owned).collect()
}

/// Makes the directories of `path` below `start`, with `controllers` enabled on the way, and opens the last one. True when that is new.
fn make(
    made: &mut Made,
    (hierarchy, start): (&Hierarchy, &Path),
    path: &CgroupPath,
    controllers: &[String],
) -> Result<(Directory, bool), Error> {
    let failure = |source| Error::Create { directory: start.join(path.names()), source };
    let (directory, is_new) =
        try_often(|| make_all(made, (hierarchy, start), path)).map_err(failure)?;
    if !is_new {
        let mut processes = 0;
        for_each_below(&directory, &mut |directory| {
            processes += directory.processes()?.len();
            Ok(())
        })?;
        if processes > 0 {
            return Err(Error::InUse { directory: directory.path().to_owned(), processes });
        }
    }
    if !controllers.is_empty() {
        let start = Directory::open(start)
            .map_err(|source| Error::Open { directory: start.to_owned(), source })?;
        enable(&start, path, controllers);
    }
    Ok((directory, is_new))
}

/// Makes the cgroup's directory and opens it, and those above as far as they are missing.
fn make_all(
    made: &mut Made,
    (hierarchy, start): (&Hierarchy, &Path),
    path: &CgroupPath,
) -> io::Result<(Directory, bool)> {
    let own = start.join(path.names());
    let is_new = match make_directory(hierarchy.reach(&own)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut is_new = false;
            for names in path.prefixes() {
                let directory = start.join(names);
                is_new = make_directory(hierarchy.reach(&directory))?;
                if is_new {
                    made.0.push(directory);
                }
            }
            is_new
        }
        Ok(true) => {
            made.0.push(own.clone());
            true
        }
        other => other?,
    };
    Ok((Directory::reach(hierarchy.reach(&own), &own)?, is_new))
}

/// Makes one directory. False when it was there already.
fn make_directory((at, path): (BorrowedFd<'_>, &Path)) -> io::Result<bool> {
    match rustix::fs::mkdirat(at, path, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn try_often<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    attempt()
}

/// Passes controllers down to the cgroup. A controller that cannot be passed is not an error here: when a limit needs it, its
/// file is missing, and that error names the limit.
fn enable(start: &Directory, path: &CgroupPath, controllers: &[String]) {
    let file = "cgroup.subtree_control";
    let ancestors = std::iter::once(".").chain(path.prefixes());
    for names in ancestors.take(path.prefixes().count()) {
        let file = format!("{names}/{file}");
        let enabled = start.try_read(&file).unwrap_or_default();
        let is_enabled = |name: &&String| enabled.split_whitespace().any(|it| it == name.as_str());
        let missing: Vec<String> =
            controllers.iter().filter(|it| !is_enabled(it)).map(|it| format!("+{it}")).collect();
        if missing.is_empty() || start.try_write(&file, &missing.join(" ")).is_ok() {
            continue;
        }
        // The kernel takes all or none, so that one refusal would cost the others.
        for one in &missing {
            drop(start.try_write(&file, one));
        }
    }
}

/// The directories that were made, to be removed again unless all goes well.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for directory in self.0.iter().rev() {
            // A parent that another container uses by now stays.
            drop(std::fs::remove_dir(directory));
        }
    }
}

//! The names that everything of one run bears, and the search of the whole machine for them at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_testkit::poll_for;
use tempfile::TempDir;

/// One run's folder. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn make() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder =
            tempfile::Builder::new().prefix("gantry-chaos-").tempdir().expect("make a folder");
        // Containers with mapped ids come by here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))
            .expect("open the folder's door");
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything on the machine that bears our name and is not the folder.
    pub(crate) fn leftovers(&self) -> Option<String> {
        let mut left = Vec::new();
        // A namespace's last moments may take longer than its processes'.
        let gone = poll_for(Duration::from_secs(5), || {
            left = self.look();
            left.is_empty().then_some(())
        });
        gone.is_none().then(|| format!("left behind at the end: {}", left.join("; ")))
    }

    fn look(&self) -> Vec<String> {
        let name = name_of(self.folder());
        let mut left = Vec::new();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
            let holds = |file: &str| String::from_utf8_lossy(&read(file)).contains(&name);
            let pid = process.file_name().to_string_lossy().into_owned();
            if pid.bytes().all(|byte| byte.is_ascii_digit())
                && pid != std::process::id().to_string()
            {
                let found = ["cmdline", "cgroup", "mountinfo"].into_iter().find(|file| holds(file));
                left.extend(found.map(|file| format!("process {pid} ({file})")));
            }
        }
        left.extend(cgroups(&name));
        let state = fs::read_dir(self.folder().join("state")).into_iter().flatten().flatten();
        // The runtime's own cache lies there as well.
        let state = state.map(|entry| entry.path()).filter(|path| name_of(path).starts_with(&name));
        left.extend(state.map(|path| format!("state {}", path.display())));
        left
    }
}

/// The id of a cycle's container, and its cgroup's name.
pub(crate) fn container_id(folder: &Path, cycle: u32) -> String {
    format!("{}-{cycle}", name_of(folder).replace('.', "_"))
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn cgroups(name: &str) -> Vec<String> {
    let mut left = Vec::new();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let folders: Vec<PathBuf> = fs::read_dir(hierarchy.path())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        left.extend(
            folders
                .into_iter()
                .chain([hierarchy.path()])
                .filter(|path| name_of(path).starts_with(name))
                .map(|path| format!("cgroup {}", path.display())),
        );
    }
    left
}

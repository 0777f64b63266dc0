//! Bundles for shims that a test starts by itself: several of them side by side, as containerd's are. All
//! of it goes when it is dropped, shims and containers first.

use crate::caller::Caller;
use crate::container::{binary, is_running, make_rootfs, poll, spec};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Bundles {
    directory: tempfile::TempDir,
    /// Makes names of this test its own.
    prefix: String,
    shims: Vec<u32>,
}

impl Bundles {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("gantry-shim-test-b{}-{number}", std::process::id());
        // The system's own directory for temporary files: other programs need short paths.
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        make_rootfs(&directory.path().join("rootfs"));
        Self { directory, prefix, shims: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        self.path().join("state").join(name)
    }

    /// A bundle whose process is `sh -c script`; `change` may change its configuration.
    pub(crate) fn make(
        &self,
        name: &str,
        script: &str,
        change: impl FnOnce(&mut Value),
    ) -> PathBuf {
        let bundle = self.bundle(name);
        fs::create_dir_all(&bundle).unwrap();
        let mut config = spec(&self.id(name), script, false);
        config["root"]["path"] = self.path().join("rootfs").to_str().unwrap().into();
        change(&mut config);
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        bundle
    }

    /// Starts a shim for a bundle, by flags, and connects to it. The end of the test waits for its end.
    pub(crate) fn start(&mut self, name: &str) -> Caller {
        let address = self.path().join("c.sock");
        let id = self.id(name);
        let flags = ["-namespace", "tests", "-address", address.to_str().unwrap(), "-id", &id];
        let result = crate::caller::start(&self.bundle(name), &flags, b"", &[]);
        let mut caller = Caller::connect(Path::new(result.socket_path()));
        self.expect_end_of(caller.shim_pid(&id));
        caller
    }

    /// The same for a shim that was started in another way.
    pub(crate) fn expect_end_of(&mut self, shim: u32) {
        if !self.shims.contains(&shim) {
            self.shims.push(shim);
        }
    }

    pub(crate) fn delete(&self, name: &str) -> std::process::Output {
        Command::new(binary())
            .args(["-namespace", "tests", "-id", &self.id(name), "delete"])
            .current_dir(self.bundle(name))
            .output()
            .unwrap()
    }
}

impl Drop for Bundles {
    fn drop(&mut self) {
        for shim in &self.shims {
            if !std::thread::panicking() {
                poll(&format!("shim {shim} ends"), || !is_running(*shim));
            } else if is_running(*shim) {
                // A test that failed must not leave one with a task that nobody deletes.
                crate::survival::send(*shim, gantry_types::Signal::KILL);
            }
        }
        let state = fs::read_dir(self.path().join("state"));
        for entry in state.into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            // Whatever a failed test left.
            drop(self.delete(&name));
        }
        let hierarchies = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        let left: Vec<_> = hierarchies
            .into_iter()
            .find_map(|hierarchy| fs::read_dir(hierarchy).ok())
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(&self.prefix))
            .collect();
        assert!(std::thread::panicking() || left.is_empty(), "{left:?} are left");
    }
}

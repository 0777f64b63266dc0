//! Where it happens: a daemon with a host of its own for bridges, and what the machine may have while nothing is under way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantry_testkit::{Daemon, NetworkHost, Options, busybox, poll_for};
use serde_json::Value;

use super::api::Api;

/// How long what goes in the background may take to be gone.
const SETTLE: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub daemon: Daemon,
    pub host: Arc<NetworkHost>,
    pub api: Api,
}

impl Stage {
    pub(crate) fn build() -> Self {
        let host = Arc::new(NetworkHost::new());
        let network = Some(Arc::clone(&host));
        let daemon = Daemon::start_with(Options { network, ..Options::default() });
        daemon.load(&busybox());
        let api = Api { socket: daemon.socket(), killed: Arc::new(AtomicBool::new(false)) };
        Self { daemon, host, api }
    }

    /// Kills the daemon in the midst of everything.
    pub(crate) fn kill(&self) {
        self.api.killed.store(true, Ordering::SeqCst);
        self.daemon.kill();
    }

    pub(crate) fn start_again(&self) {
        self.daemon.start_again();
        self.api.killed.store(false, Ordering::SeqCst);
    }

    /// The machine has what the daemon tells of, and nothing else; the daemon has not failed.
    pub(crate) fn examine(&self) -> Result<(), String> {
        let mut wrong = String::new();
        let settled = poll_for(SETTLE, || match self.look() {
            Ok(()) => Some(()),
            Err(text) => {
                wrong = text;
                None
            }
        });
        settled.ok_or(wrong)?;
        let log = self.daemon.log();
        let failed =
            log.lines().find(|line| line.contains("panicked") || line.contains("task failed"));
        failed.map_or(Ok(()), |line| Err(format!("the daemon says: {line}")))
    }

    fn look(&self) -> Result<(), String> {
        let data = self.daemon.data_root();
        let all = ids(&self.get("/containers/json?all=1")?);
        let running = ids(&self.get(
            "/containers/json?filters=%7B%22status%22%3A%5B%22running%22%2C%22paused%22%5D%7D",
        )?);
        same("writable layers", &names(&data.join("rw")), &all)?;
        same("containers' folders", &names(&data.join("containers")), &all)?;
        same("bundles", &bundles(&self.daemon.exec_root().join("containers")), &running)?;
        same("cgroups", &self.cgroups(), &running)?;
        let volumes = self.get("/volumes")?;
        let volumes = volumes["Volumes"].as_array().into_iter().flatten();
        let volumes = volumes.filter_map(|it| it["Name"].as_str().map(str::to_owned)).collect();
        same("volumes", &names(&data.join("volumes")), &volumes)?;
        self.look_at_devices()?;
        let folder = self.daemon.folder().display().to_string();
        // What a boot ends is in memory.
        let root = self.daemon.exec_root();
        let memory = format!(" {} ", root.parent().unwrap_or(&root).display());
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.daemon.pid()));
        let is_left = |line: &&str| line.contains(&folder) && !line.contains(&memory);
        match mounts.unwrap_or_default().lines().find(is_left) {
            Some(line) => Err(format!("a mount is left: {line}")),
            None => Ok(()),
        }
    }

    /// A bridge for each network of that kind, and a device for each place in one.
    fn look_at_devices(&self) -> Result<(), String> {
        let (mut bridges, mut places) = (BTreeSet::new(), 0);
        let all = self.get("/networks")?;
        for network in all.as_array().into_iter().flatten().filter(|it| it["Driver"] == "bridge") {
            let id = network["Id"].as_str().unwrap_or_default();
            let network = self.get(&format!("/networks/{id}"))?;
            let own = network["Options"]["com.docker.network.bridge.name"].as_str();
            bridges.insert(own.map_or_else(|| format!("br-{}", &id[..12]), str::to_owned));
            places += network["Containers"].as_object().map_or(0, serde_json::Map::len);
        }
        let devices = self.devices();
        let is_end = |name: &&String| name.starts_with("veth");
        let found = devices.iter().filter(|name| *name != "lo" && !is_end(name)).cloned().collect();
        same("bridges", &found, &bridges)?;
        let ends = devices.iter().filter(is_end).count();
        if ends == places { Ok(()) } else { Err(format!("{ends} devices for {places} places")) }
    }

    pub(crate) fn devices(&self) -> BTreeSet<String> {
        let text = self.host.prints("ip", &["-o", "link"]);
        let names = text.lines().filter_map(|line| line.split(": ").nth(1));
        names.map(|name| name.split('@').next().unwrap_or_default().to_owned()).collect()
    }

    /// The packet filter's rules, without what they have counted.
    pub(crate) fn rules(&self) -> String {
        self.host.prints("nft", &["-s", "list", "ruleset"])
    }

    fn cgroups(&self) -> BTreeSet<String> {
        let parent = self.daemon.cgroup_parent();
        let places =
            ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(|root| Path::new(root).join(parent));
        let place = places.iter().find(|place| place.is_dir());
        let folders = place.into_iter().flat_map(fs::read_dir).flatten().flatten();
        let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    fn get(&self, target: &str) -> Result<Value, String> {
        let found = self.api.look(target).map_err(|trouble| format!("{target}: {trouble:?}"))?;
        found.ok_or_else(|| format!("{target} is not there"))
    }
}

fn ids(list: &Value) -> BTreeSet<String> {
    let rows = list.as_array().into_iter().flatten();
    rows.filter_map(|row| row["Id"].as_str().map(str::to_owned)).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.collect()
}

fn bundles(folder: &Path) -> BTreeSet<String> {
    names(folder).into_iter().filter(|name| !name.starts_with('.')).collect()
}

fn same(what: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    let extra: Vec<_> = found.difference(wanted).collect();
    let missing: Vec<_> = wanted.difference(found).collect();
    Err(format!("{what}: too many {extra:?}, missing {missing:?}"))
}

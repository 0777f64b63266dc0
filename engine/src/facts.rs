//! What this host can give, read once when the engine opens.

use std::fs;

use std::path::Path;

use gantry_cgroup::{Hierarchies, Layout, Version};

use crate::plan::{HostFacts, LimitSupport};
use crate::selinux::Selinux;

/// Reads the host's facts. What cannot be read counts as not there.
pub(crate) fn gather(cgroups: &Hierarchies, default_bridge: bool, selinux: &Selinux) -> HostFacts {
    HostFacts {
        cpus: std::thread::available_parallelism()
            .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory_bytes: memory_bytes(),
        capability_bounds: capability_bounds(),
        cgroup_v2: cgroups.layout() == Layout::Unified,
        default_bridge,
        recursive_read_only: recursive_read_only(),
        network_sysctls: ["ip_unprivileged_port_start", "ping_group_range"]
            .iter()
            .all(|name| Path::new("/proc/sys/net/ipv4").join(name).exists()),
        kernel: kernel(),
        apparmor: fs::read("/sys/module/apparmor/parameters/enabled")
            .is_ok_and(|text| text.starts_with(b"Y")),
        apparmor_parser: crate::apparmor::parser(),
        selinux: selinux.is_on(),
        limits: limits(cgroups),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

/// The kernel's major and minor number.
fn kernel() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let digits = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    };
    let mut parts = release.split('.').map(digits);
    (parts.next().flatten().unwrap_or(0), parts.next().flatten().unwrap_or(0))
}

/// What the hierarchies' files say that can be limited.
fn limits(cgroups: &Hierarchies) -> LimitSupport {
    let of = |controller: &str| {
        cgroups.iter().find(|it| it.controllers().any(|name| name == controller))
    };
    let is_v2 = |controller| of(controller).is_some_and(|it| it.version() == Version::V2);
    // Of the second version each controller brings all its files; of the first, the kernel's configuration decides.
    let has = |controller: &str, file: &str| {
        of(controller)
            .is_some_and(|it| it.version() == Version::V2 || it.root().join(file).exists())
    };
    let read = |files: [&str; 2]| {
        let root = of("cpuset").map_or(Path::new("/"), |it| it.root());
        let text = files.iter().find_map(|file| fs::read_to_string(root.join(file)).ok());
        text.unwrap_or_default().trim().to_owned()
    };
    let only_v1 = |controller, file: &str| !is_v2(controller) && has(controller, file);
    LimitSupport {
        memory: has("memory", "memory.limit_in_bytes"),
        swap: has("memory", "memory.memsw.limit_in_bytes"),
        memory_reservation: has("memory", "memory.soft_limit_in_bytes"),
        swappiness: only_v1("memory", "memory.swappiness"),
        oom_kill_disable: only_v1("memory", "memory.oom_control"),
        cpu_shares: has("cpu", "cpu.shares"),
        cpu_cfs: has("cpu", "cpu.cfs_quota_us"),
        cpu_realtime: only_v1("cpu", "cpu.rt_runtime_us"),
        cpuset: of("cpuset").is_some(),
        cpus: read(["cpuset.cpus.effective", "cpuset.cpus"]),
        memory_nodes: read(["cpuset.mems.effective", "cpuset.mems"]),
        pids: of("pids").is_some(),
        block_weight: of(if is_v2("io") { "io" } else { "blkio" })
            .is_some_and(|it| has_block_weights(it.root())),
        block_throttle: is_v2("io") || has("blkio", "blkio.throttle.read_bps_device"),
    }
}

/// Weights are the business of a device's scheduler, or of the second version's cost model.
fn has_block_weights(root: &Path) -> bool {
    if ["blkio.weight", "io.cost.qos"].iter().any(|file| root.join(file).exists()) {
        return true;
    }
    let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    disks
        .filter_map(|disk| fs::read_to_string(disk.path().join("queue/scheduler")).ok())
        .any(|schedulers| schedulers.contains("bfq"))
}

/// Changes nothing about a mount, which a kernel that knows the call has nothing against but perhaps the place.
fn recursive_read_only() -> bool {
    use std::os::fd::AsFd;
    let Ok(root) = fs::File::open("/") else { return false };
    let nothing = gantry_sys::mount::Change::default();
    match gantry_sys::mount::set_attributes(root.as_fd(), nothing) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::InvalidInput,
    }
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next().map(str::to_owned)
}

fn memory_bytes() -> u64 {
    let kib: Option<u64> = field("/proc/meminfo", "MemTotal:").and_then(|text| text.parse().ok());
    kib.unwrap_or(0) * 1024
}

fn capability_bounds() -> u64 {
    let mask = field("/proc/self/status", "CapBnd:");
    mask.and_then(|text| u64::from_str_radix(&text, 16).ok()).unwrap_or(0)
}

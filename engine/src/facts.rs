//! What this host can give, read once when the engine opens.

use std::fs;

use gantry_cgroup::{Hierarchies, Layout};

use crate::plan::HostFacts;

/// Reads the host's facts. What cannot be read counts as not there.
pub(crate) fn gather(cgroups: &Hierarchies, default_bridge: bool) -> HostFacts {
    HostFacts {
        cpus: std::thread::available_parallelism()
            .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory_bytes: memory_bytes(),
        capability_bounds: capability_bounds(),
        cgroup_v2: cgroups.layout() == Layout::Unified,
        default_bridge,
        recursive_read_only: recursive_read_only(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
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

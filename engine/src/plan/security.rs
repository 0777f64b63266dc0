//! Security options: privileges, seccomp, and which paths of `/proc` and `/sys` are hidden or read-only.

use gantry_api::container::HostConfig;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which system call filter a container runs under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum SeccompPlan {
    /// Docker's default profile, for the container's capabilities.
    Default,
    Unconfined,
}

/// What `--security-opt` and `--privileged` decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecurityPlan {
    pub no_new_privileges: bool,
    pub seccomp: SeccompPlan,
}

impl SecurityPlan {
    pub(super) fn resolve(host: &HostConfig) -> Result<Self, Error> {
        let seccomp = if host.privileged { SeccompPlan::Unconfined } else { SeccompPlan::Default };
        let mut plan = Self { no_new_privileges: false, seccomp };
        for option in &host.security_opt {
            let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
            match (key, value) {
                ("no-new-privileges", "" | "true") => plan.no_new_privileges = true,
                ("no-new-privileges", "false") => plan.no_new_privileges = false,
                ("seccomp", "unconfined") => plan.seccomp = SeccompPlan::Unconfined,
                ("seccomp", "builtin" | "default") => plan.seccomp = SeccompPlan::Default,
                ("seccomp", _) => {
                    return Err(Error::not_there_yet("a seccomp profile of one's own"));
                }
                ("apparmor" | "systempaths", "unconfined") | ("label", "disable") => {}
                ("apparmor" | "label" | "systempaths", _) => {
                    return Err(Error::not_there_yet(format!("--security-opt {option}")));
                }
                _ => return Err(Error::invalid(format!("invalid --security-opt: {option:?}"))),
            }
        }
        Ok(plan)
    }
}

/// Whether `--security-opt systempaths=unconfined` was given.
pub(super) fn systempaths_unconfined(host: &HostConfig) -> bool {
    host.security_opt.iter().any(|option| option == "systempaths=unconfined")
}

/// What Docker hides.
pub(super) fn masked_paths(unmasked: bool) -> Vec<String> {
    const MASKED: [&str; 12] = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ];
    if unmasked { Vec::new() } else { MASKED.map(str::to_owned).to_vec() }
}

/// What Docker makes read-only.
pub(super) fn readonly_paths(unmasked: bool) -> Vec<String> {
    const READONLY: [&str; 5] =
        ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
    if unmasked { Vec::new() } else { READONLY.map(str::to_owned).to_vec() }
}

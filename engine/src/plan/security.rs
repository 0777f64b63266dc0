//! Security options: privileges, system call filter, labels, and which paths of `/proc` and `/sys` are hidden or
//! read-only.

use gantry_api::container::HostConfig;
use gantry_oci::runtime::Seccomp;
use serde::{Deserialize, Serialize};

use super::seccomp_profile::{self, Circumstances};
use super::{CgroupNamespace, HostFacts, Surroundings};
use crate::apparmor::DEFAULT_PROFILE;
use crate::error::Error;
use crate::selinux::Labels;
use crate::settings::DefaultSeccomp;

/// Which system call filter a container runs under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum SeccompPlan {
    /// Docker's default profile, for the container's capabilities.
    Default,
    Unconfined,
    /// One that somebody gave, for the container's capabilities.
    Own(Box<Seccomp>),
}

/// What `--security-opt` and `--privileged` decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecurityPlan {
    pub no_new_privileges: bool,
    pub seccomp: SeccompPlan,
    /// The profile of AppArmor; empty leaves it to the kernel.
    #[serde(default)]
    pub apparmor: String,
    /// SELinux's labels, chosen when the container is made.
    #[serde(default)]
    pub selinux: Labels,
    /// Whether the container may make cgroups of its own; `None` leaves that to whether it is privileged.
    #[serde(default)]
    pub writable_cgroups: Option<bool>,
}

/// Options as they were written, each the last of its kind.
#[derive(Default)]
struct Options<'a> {
    no_new_privileges: Option<bool>,
    seccomp: Option<&'a str>,
    apparmor: Option<&'a str>,
    writable_cgroups: Option<bool>,
    labels: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(host: &'a HostConfig) -> Result<Self, Error> {
        let mut options = Self::default();
        for option in &host.security_opt {
            let invalid = || Error::invalid(format!("invalid --security-opt 2: {option:?}"));
            match option.as_str() {
                "no-new-privileges" => options.no_new_privileges = Some(true),
                // The form that was before `label=disable`.
                "disable" => options.labels.push("disable"),
                _ => {
                    let Some((key, value)) = option.split_once('=').or(option.split_once(':'))
                    else {
                        return Err(Error::invalid(format!(
                            "invalid --security-opt 1: {option:?}"
                        )));
                    };
                    match key {
                        "no-new-privileges" => {
                            options.no_new_privileges = Some(truth(value).ok_or_else(invalid)?);
                        }
                        "writable-cgroups" => {
                            options.writable_cgroups = Some(truth(value).ok_or_else(invalid)?);
                        }
                        "seccomp" => options.seccomp = Some(value),
                        "apparmor" => options.apparmor = Some(value),
                        "label" => options.labels.push(value),
                        "systempaths" if value == "unconfined" => {}
                        _ => return Err(invalid()),
                    }
                }
            }
        }
        Ok(options)
    }
}

/// A truth value in the forms that Go reads.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

impl SecurityPlan {
    /// `capabilities` are those that the container gets.
    pub(super) fn resolve(
        host: &HostConfig,
        (capabilities, cgroup_namespace): (&[String], CgroupNamespace),
        around: &Surroundings<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let options = Options::parse(host)?;
        let circumstances = Circumstances { capabilities, kernel: around.host.kernel };
        if options.writable_cgroups == Some(true) && cgroup_namespace != CgroupNamespace::Private {
            return Err(Error::invalid(
                "writable-cgroups needs a cgroup namespace of the container's own: use it with --cgroupns=private",
            ));
        }
        if options.labels.iter().any(|label| *label != "disable") {
            check_labels(&options.labels)?;
            if !around.host.selinux {
                warnings
                    .push("SELinux labels are not used on this host. Labels discarded.".to_owned());
            }
        }
        let seccomp = seccomp(options.seccomp, host.privileged, (&circumstances, around))?;
        Ok(Self {
            no_new_privileges: options
                .no_new_privileges
                .unwrap_or(around.defaults.no_new_privileges),
            seccomp,
            apparmor: apparmor(options.apparmor, host.privileged, (around.host, warnings))?,
            selinux: Labels::default(),
            writable_cgroups: options.writable_cgroups,
        })
    }
}

fn seccomp(
    asked: Option<&str>,
    privileged: bool,
    (circumstances, around): (&Circumstances<'_>, &Surroundings<'_>),
) -> Result<SeccompPlan, Error> {
    let own = |json: &str| {
        let profile = seccomp_profile::resolve(json, circumstances)?;
        Ok(profile.map_or(SeccompPlan::Unconfined, |it| SeccompPlan::Own(Box::new(it))))
    };
    match asked {
        Some("unconfined") => Ok(SeccompPlan::Unconfined),
        Some("builtin" | "default") => Ok(SeccompPlan::Default),
        Some(json) if !json.is_empty() => own(json),
        _ if privileged => Ok(SeccompPlan::Unconfined),
        _ => match &around.defaults.seccomp_profile {
            DefaultSeccomp::Builtin => Ok(SeccompPlan::Default),
            DefaultSeccomp::Unconfined => Ok(SeccompPlan::Unconfined),
            DefaultSeccomp::Profile { json, .. } => own(json),
        },
    }
}

/// The profile's name, where the kernel runs AppArmor.
fn apparmor(
    asked: Option<&str>,
    privileged: bool,
    (host, warnings): (&HostFacts, &mut Vec<String>),
) -> Result<String, Error> {
    let Some(profile) = asked.filter(|profile| !profile.is_empty()) else {
        // Where nothing can load it, containers go without, as in Docker.
        let is_there = host.apparmor && host.apparmor_parser.is_some();
        let default = if privileged { "unconfined" } else { DEFAULT_PROFILE };
        return Ok(if is_there { default.to_owned() } else { String::new() });
    };
    if profile.contains(['\0', '\n']) {
        return Err(Error::invalid(format!("invalid AppArmor profile {profile:?}")));
    }
    if !host.apparmor && profile != "unconfined" {
        warnings.push(format!(
            "Your kernel does not support AppArmor or it is not enabled. Profile {profile:?} discarded."
        ));
        return Ok(String::new());
    }
    Ok(profile.to_owned())
}

/// SELinux's, in the form that Docker knows.
fn check_labels(labels: &[&str]) -> Result<(), Error> {
    for label in labels.iter().filter(|label| **label != "disable") {
        let key = label.split_once(':').map_or("", |(key, _)| key);
        if !["user", "role", "level", "type", "filetype"].contains(&key) {
            return Err(Error::invalid(format!(
                "bad label option {label:?}, valid options 'disable' or 'user, role, level, type, filetype' followed by \
                 ':' and a value"
            )));
        }
    }
    Ok(())
}

/// SELinux's options, of which [`SecurityPlan::resolve`] has seen that they can be understood.
pub(crate) fn label_options(host: &HostConfig) -> Vec<&str> {
    Options::parse(host).map(|options| options.labels).unwrap_or_default()
}

/// Whether a container's labels are settled by its own options.
pub(crate) fn has_label_options(host: &HostConfig) -> bool {
    host.security_opt.iter().any(|option| option.starts_with("label="))
}

/// Whether a container shares so much with the host that labels would be in its way.
pub(crate) fn is_open(host: &HostConfig) -> bool {
    host.privileged || host.ipc_mode == "host" || host.pid_mode == "host"
}

/// What Docker adds to the options of a container that needs no labels.
pub(super) fn complete(host: &mut HostConfig) {
    if is_open(host) && !has_label_options(host) {
        host.security_opt.push("label=disable".to_owned());
    }
}

/// Whether `--security-opt systempaths=unconfined` was given.
pub(super) fn systempaths_unconfined(host: &HostConfig) -> bool {
    host.security_opt.iter().any(|option| {
        matches!(option.as_str(), "systempaths=unconfined" | "systempaths:unconfined")
    })
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

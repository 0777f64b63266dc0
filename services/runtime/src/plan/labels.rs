//! Labels of the kernel's security modules: AppArmor's profile, SELinux's contexts. A label whose module this kernel does not run is
//! refused: the container would be less confined than its document says.

use std::fs;

use gantry_oci::runtime::Process;
use gantry_sys::selinux;

use crate::failure::Failure;

/// The labels that a process gets when it executes its program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelPlan {
    pub apparmor: Option<String>,
    pub selinux: Option<String>,
}

/// The profile that is none.
const UNCONFINED: &str = "unconfined";

impl LabelPlan {
    pub(crate) fn new(process: &Process) -> Result<Self, Failure> {
        let modules = Modules { apparmor: has_apparmor, selinux: selinux::is_in_force };
        Self::on(&modules, &process.apparmor_profile, &process.selinux_label)
    }

    pub(crate) fn needs_procfs(&self) -> bool {
        self.apparmor.is_some() || self.selinux.is_some()
    }

    fn on(modules: &Modules, profile: &str, label: &str) -> Result<Self, Failure> {
        check("process.apparmorProfile", profile)?;
        check("process.selinuxLabel", label)?;
        let apparmor = match profile {
            "" => None,
            _ if (modules.apparmor)() => Some(profile.to_owned()),
            UNCONFINED => None,
            _ => {
                return Err(Failure::invalid(format!(
                    "process.apparmorProfile {profile:?} is set, but AppArmor is disabled or not supported on this machine"
                )));
            }
        };
        let selinux = match label {
            "" => None,
            _ if (modules.selinux)() => Some(label.to_owned()),
            _ => {
                return Err(Failure::invalid(format!(
                    "process.selinuxLabel {label:?} is set, but SELinux is disabled or not supported on this machine"
                )));
            }
        };
        Ok(Self { apparmor, selinux })
    }
}

/// Checks `linux.mountLabel`.
pub(super) fn mount_label(label: &str) -> Result<(), Failure> {
    check("linux.mountLabel", label)?;
    if label.is_empty() || selinux::is_in_force() {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "linux.mountLabel {label:?} is set, but SELinux is disabled or not supported on this machine"
    )))
}

/// What the kernel runs; asked only when a label wants it.
struct Modules {
    apparmor: fn() -> bool,
    selinux: fn() -> bool,
}

/// Whether the kernel confines by AppArmor.
pub(crate) fn has_apparmor() -> bool {
    fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"))
}

/// Labels are written as one line.
fn check(field: &str, label: &str) -> Result<(), Failure> {
    if label.contains(['\0', '\n']) {
        return Err(Failure::invalid(format!(
            "{field} {label:?} holds a line break or a NUL byte"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Modules = Modules { apparmor: || false, selinux: || false };
    const BOTH: Modules = Modules { apparmor: || true, selinux: || true };

    #[test]
    fn labels_hold_where_their_module_runs() {
        let plan = LabelPlan::on(&BOTH, "docker-default", "system_u:system_r:t:s0").unwrap();
        assert_eq!(plan.apparmor.as_deref(), Some("docker-default"));
        assert_eq!(plan.selinux.as_deref(), Some("system_u:system_r:t:s0"));
        let unconfined = LabelPlan::on(&BOTH, "unconfined", "").unwrap();
        assert_eq!(unconfined.apparmor.as_deref(), Some("unconfined"));
    }

    #[test]
    fn a_label_without_its_module_is_refused_unless_it_means_none() {
        assert_eq!(LabelPlan::on(&NONE, "unconfined", "").unwrap(), LabelPlan::default());
        for (profile, label, words) in [
            ("docker-default", "", "AppArmor is disabled or not supported"),
            ("", "x:y:z:s0", "SELinux is disabled or not supported"),
            ("a\nb", "", "line break"),
        ] {
            let failure = LabelPlan::on(&NONE, profile, label).unwrap_err();
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }
}

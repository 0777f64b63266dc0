//! Tells the kernel's security modules which labels the calling process's program and keys get.

use rustix::io::Errno;

use crate::failure::{During, Failure};
use crate::plan::LabelPlan;
use crate::procfs::Procfs;

/// For the next program that this thread executes, and the keyrings that it makes from here on.
pub(crate) fn apply(plan: &LabelPlan, procfs: &Procfs) -> Result<(), Failure> {
    if let Some(label) = &plan.selinux {
        let what = || format!("set the SELinux label {label:?}");
        procfs.write_own("attr/keycreate", label.as_bytes()).during_with(what)?;
        procfs.write_own("attr/exec", label.as_bytes()).during_with(what)?;
    }
    if let Some(profile) = &plan.apparmor {
        let word = format!("exec {profile}");
        // Linux 5.8 gave AppArmor a directory of its own; before, one module owned the common files.
        let written = match procfs.write_own("attr/apparmor/exec", word.as_bytes()) {
            Err(Errno::NOENT) => procfs.write_own("attr/exec", word.as_bytes()),
            written => written,
        };
        written.during_with(|| format!("apply the AppArmor profile {profile:?}"))?;
    }
    Ok(())
}

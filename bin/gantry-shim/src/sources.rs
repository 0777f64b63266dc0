//! Mount sources that are descriptors of the caller's (`/proc/<pid>/fd/<n>`): whose they are.
//!
//! A number of a process soon means another, when the first has died. It means the caller for as long as the caller is connected.

use crate::error::Error;
use gantry_shim_protocol::task::Mount;

/// Refuses mounts that name descriptors of anybody but the process that asks for them, which `caller` tells while it is there.
pub(crate) fn check(mounts: &[Mount], caller: impl FnOnce() -> Option<i32>) -> Result<(), Error> {
    let texts = mounts.iter().flat_map(|mount| mount.options.iter().chain([&mount.source]));
    let mut owners: Vec<i32> = texts.flat_map(|text| owners(text)).collect();
    owners.dedup();
    if owners.is_empty() {
        return Ok(());
    }
    let caller = caller();
    match owners.iter().find(|owner| Some(**owner) != caller) {
        None => Ok(()),
        Some(owner) => Err(Error::Invalid {
            reason: format!(
                "the root file system names a descriptor of process {owner}, which is not the one that asks for it: \
                 the process that holds it must call"
            ),
        }),
    }
}

/// The processes whose descriptors a text names.
fn owners(text: &str) -> impl Iterator<Item = i32> {
    text.split("/proc/").skip(1).filter_map(|rest| {
        let (pid, rest) = rest.split_once('/')?;
        if rest.starts_with("fd/") { pid.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(options: &[&str], caller: Option<i32>) -> bool {
        let mount = Mount {
            kind: "overlay".to_owned(),
            source: "overlay".to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            ..Mount::default()
        };
        check(&[mount], || caller).is_ok()
    }

    #[test]
    fn descriptors_must_be_the_callers() {
        let ours = "lowerdir=/proc/12/fd/3:/a/b:/proc/12/fd/44";
        assert!(check_with(&[ours], Some(12)));
        assert!(!check_with(&[ours], Some(13)));
        assert!(!check_with(&[ours], None), "the caller has gone");
        assert!(!check_with(&["upperdir=/u", "lowerdir=/proc/12/fd/3:/proc/13/fd/3"], Some(12)));
        let foreign = Mount { source: "/proc/7/fd/9".to_owned(), ..Mount::default() };
        assert!(check(&[foreign], || Some(12)).is_err());
    }

    #[test]
    fn other_paths_are_anybodys() {
        for option in ["lowerdir=/a:/b", "lowerdir=/proc/12/root/x", "lowerdir=/proc/self/fd/3"] {
            assert!(check_with(&[option], None), "{option}");
        }
    }
}

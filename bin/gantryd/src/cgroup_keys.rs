//! Who makes containers' cgroups, and where: dockerd's `exec-opts` and `cgroup-parent`.

#![expect(clippy::doc_markdown, reason = "the help of the command is made of it")]

use std::path::Path;

use gantry_engine::CgroupDriver;
use serde::{Deserialize, Serialize};

use crate::error::Error;

const PARENT: &str = "/gantry";
/// Docker's.
const SLICE: &str = "system.slice";
/// What systemd makes when it runs the machine: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

/// The keys.
#[derive(Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct CgroupKeys {
    /// The cgroup below which containers get theirs; with systemd, the name of a slice [default: /gantry; with
    /// systemd system.slice]
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
    /// native.cgroupdriver=cgroupfs makes containers' cgroups as directories, native.cgroupdriver=systemd as systemd's
    /// scopes [default: native.cgroupdriver=cgroupfs]
    #[arg(long = "exec-opt", value_name = "OPTION")]
    pub exec_opts: Option<Vec<String>>,
}

/// The driver, and the parent in its form.
pub(crate) fn resolve(keys: CgroupKeys) -> Result<(CgroupDriver, String), Error> {
    resolve_on(keys, Path::new(BOOTED).is_dir())
}

fn resolve_on(keys: CgroupKeys, has_systemd: bool) -> Result<(CgroupDriver, String), Error> {
    let mut driver = CgroupDriver::Cgroupfs;
    for option in keys.exec_opts.iter().flatten() {
        let refused = |why: &str| {
            Err(Error::Refused { key: "exec-opts", value: option.clone(), why: why.to_owned() })
        };
        driver = match option.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(("native.cgroupdriver", "cgroupfs")) => CgroupDriver::Cgroupfs,
            Some(("native.cgroupdriver", "systemd")) if has_systemd => CgroupDriver::Systemd,
            Some(("native.cgroupdriver", "systemd")) => {
                return refused(
                    "systemd does not run this machine: there is no /run/systemd/system",
                );
            }
            Some(("native.cgroupdriver", _)) => {
                return refused("the cgroup drivers are cgroupfs and systemd");
            }
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                return refused("there is no such option");
            }
            _ => return refused("it takes the form opt=value"),
        };
    }
    let given = keys.cgroup_parent.filter(|parent| !parent.is_empty());
    let parent = match (driver, given) {
        (CgroupDriver::Cgroupfs, None) => PARENT.to_owned(),
        (CgroupDriver::Cgroupfs, Some(path)) => directory(path)?,
        (CgroupDriver::Systemd, None) => SLICE.to_owned(),
        (CgroupDriver::Systemd, Some(slice)) => slice_name(slice)?,
    };
    Ok((driver, parent))
}

/// A path from the root of each hierarchy, with or without its first slash.
fn directory(path: String) -> Result<String, Error> {
    let names = path.trim_matches('/');
    let valid = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if names.split('/').all(valid) {
        Ok(format!("/{names}"))
    } else {
        Err(Error::CgroupParent { path })
    }
}

fn slice_name(text: String) -> Result<String, Error> {
    match text.parse::<gantry_engine::Slice>() {
        Ok(_) => Ok(text),
        Err(_) => Err(Error::Refused {
            key: "cgroup-parent",
            value: text,
            why: "with systemd it should be a valid slice named as \"xxx.slice\"".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(
        options: &[&str],
        parent: Option<&str>,
        has_systemd: bool,
    ) -> Result<(CgroupDriver, String), String> {
        let keys = CgroupKeys {
            cgroup_parent: parent.map(str::to_owned),
            exec_opts: Some(options.iter().map(ToString::to_string).collect()),
        };
        resolve_on(keys, has_systemd).map_err(|error| error.to_string())
    }

    #[test]
    fn a_driver_has_parents_of_its_own_form() {
        use CgroupDriver::{Cgroupfs, Systemd};
        let systemd = "native.cgroupdriver=systemd";
        for (options, parent, driver, place) in [
            (&[][..], None, Cgroupfs, "/gantry"),
            (&["native.cgroupdriver=cgroupfs"], Some("a/b/"), Cgroupfs, "/a/b"),
            (&[systemd], None, Systemd, "system.slice"),
            (&[systemd], Some(""), Systemd, "system.slice"),
            (&[systemd], Some("a-b.slice"), Systemd, "a-b.slice"),
        ] {
            assert_eq!(resolved(options, parent, true).unwrap(), (driver, place.to_owned()));
        }
        for (options, parent, has_systemd, says) in [
            (&[systemd][..], None, false, "systemd does not run this machine"),
            (&[systemd], Some("/gantry"), true, "valid slice"),
            (&["native.cgroupdriver=none"], None, true, "cgroupfs and systemd"),
            (&["native.other=1"], None, true, "no such option"),
            (&["nonsense"], None, true, "form opt=value"),
            (&[], Some("/a/../b"), true, "/a/../b"),
        ] {
            let error = resolved(options, parent, has_systemd).unwrap_err();
            assert!(error.contains(says), "{options:?} {parent:?}: {error}");
        }
    }
}

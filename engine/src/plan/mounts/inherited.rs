//! Mounts that others bring: other containers (`--volumes-from`), and the image's and the user's nameless volumes. What
//! the user asked for at the same place comes first.

use std::collections::BTreeSet;

use super::{MountPlan, MountSource, VolumeSource, sort, target};
use crate::error::Error;

/// One `--volumes-from`: a container, and whether its mounts become read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumesFrom {
    pub container: String,
    pub read_only: bool,
}

impl VolumesFrom {
    /// Reads `container[:mode]`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (container, mode) = text.split_once(':').unwrap_or((text, ""));
        if container.is_empty() {
            return Err(Error::invalid(format!("invalid volumes-from specification: '{text}'")));
        }
        let read_only = match mode {
            "" | "rw" | "z" | "Z" => false,
            "ro" => true,
            _ => return Err(Error::invalid(format!("invalid mode for volumes-from: {mode}"))),
        };
        Ok(Self { container: container.to_owned(), read_only })
    }

    /// What it brings of a container with these mounts.
    pub(crate) fn inherit(&self, mounts: &[MountPlan]) -> Vec<MountPlan> {
        let shared = mounts.iter().filter(|one| !matches!(one.source, MountSource::Tmpfs { .. }));
        shared
            .map(|one| MountPlan { read_only: one.read_only || self.read_only, ..one.clone() })
            .collect()
    }
}

/// Adds `inherited`, later ones winning, and then a nameless volume for each of `volumes` where nothing is mounted.
pub(crate) fn complete(
    mounts: &mut Vec<MountPlan>,
    inherited: Vec<MountPlan>,
    (volumes, driver): (&BTreeSet<String>, &str),
) -> Result<(), Error> {
    let own: BTreeSet<String> = mounts.iter().map(|mount| mount.target.clone()).collect();
    for mount in inherited {
        if !own.contains(&mount.target) {
            mounts.retain(|before| before.target != mount.target);
            mounts.push(mount);
        }
    }
    for text in volumes {
        let target = target(text).map_err(Error::invalid)?;
        if mounts.iter().all(|mount| mount.target != target) {
            let source = MountSource::Volume(VolumeSource::nameless(driver));
            mounts.push(MountPlan { target, source, read_only: false });
        }
    }
    sort(mounts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tmpfs(target: &str) -> MountPlan {
        let source = MountSource::Tmpfs { options: Vec::new() };
        MountPlan { target: target.to_owned(), source, read_only: false }
    }

    fn volume(target: &str) -> MountPlan {
        let source = MountSource::Volume(VolumeSource::nameless(""));
        MountPlan { target: target.to_owned(), source, read_only: false }
    }

    #[test]
    fn the_user_comes_first_and_then_the_last() {
        let from = VolumesFrom::parse("other:ro").unwrap();
        let brought = from.inherit(&[volume("/a"), volume("/b"), tmpfs("/t")]);
        assert!(brought.iter().all(|mount| mount.read_only) && brought.len() == 2);
        let mut mounts = vec![tmpfs("/a")];
        let volumes = ["/a/", "/b", "/c/d", "/c"].map(str::to_owned).into();
        complete(&mut mounts, brought, (&volumes, "")).unwrap();
        let seen: Vec<_> = mounts.iter().map(|one| (&*one.target, one.read_only)).collect();
        assert_eq!(seen, [("/a", false), ("/b", true), ("/c", false), ("/c/d", false)]);
        assert!(matches!(mounts[0].source, MountSource::Tmpfs { .. }));
    }

    #[test]
    fn words() {
        assert!(!VolumesFrom::parse("a:rw").unwrap().read_only);
        for (text, error) in [
            ("a:nope", "invalid mode for volumes-from: nope"),
            (":ro", "invalid volumes-from specification: ':ro'"),
        ] {
            assert_eq!(VolumesFrom::parse(text).unwrap_err().to_string(), error);
        }
    }
}

//! What is mounted in a container that was made from images: no more than its bundle says, with the same restrictions, and with what
//! it hides hidden.

use std::path::Path;

use gantry_sys::mount::Attributes;
use rustix::thread::CapabilitySet;

use super::Expectation;
use crate::checkpoint::external::{NULL, Seen, name_of};
use crate::plan::{MountKind, MountOptions};
use gantry_sys::mountinfo::MountLine;

impl Expectation<'_> {
    pub(super) fn check_mounts(&self, pid: i32) -> Result<(), String> {
        let seen =
            Seen::of(pid).map_err(|error| format!("its mounts cannot be looked at: {error}"))?;
        self.check_protected(&seen)?;
        // Whoever may mount may have mounted anything, under the eyes of the device cgroup and the LSM.
        if self.plan.process.capabilities.bounding.contains(CapabilitySet::SYS_ADMIN) {
            return Ok(());
        }
        let known = self.known(&seen);
        for line in seen.lines() {
            let mounted_with_it = self.staged.iter().any(|staged| is_part_of(line, staged));
            let terminal =
                line.kind == "devpts" && line.place == "/dev/console" && line.root != "/";
            if !(known.contains(&line.id) || mounted_with_it || terminal) {
                return Err(format!(
                    "{} ({}, {}) is mounted on {}, and not by the bundle",
                    line.kind, line.root, line.options, line.place
                ));
            }
        }
        Ok(())
    }

    /// The mounts that the bundle explains and CRIU made.
    fn known(&self, seen: &Seen) -> Vec<u64> {
        let mut known = Vec::new();
        for mount in &self.plan.mounts {
            let Some(line) = seen.mount_at(&mount.destination) else { continue };
            let is_whole = line.root == "/" && is_restricted(line, &mount.options);
            match &mount.kind {
                MountKind::Filesystem(kind) if *kind == line.kind && is_whole => {
                    known.push(line.id);
                }
                MountKind::Cgroup => {
                    known.extend((line.kind == "tmpfs" && is_whole).then_some(line.id));
                    let place = Path::new(&line.place);
                    let parts = seen.lines().iter().filter(|part| {
                        Path::new(&part.place).starts_with(place)
                            && self.is_own_cgroup(part)
                            && is_restricted(part, &mount.options)
                    });
                    known.extend(parts.map(|part| part.id));
                }
                _ => {}
            }
        }
        let linux = &self.plan.linux;
        // What lies there has been found to hide what is below it.
        let masks = linux.masked_paths.iter().filter_map(|path| seen.mount_at(Path::new(path)));
        known.extend(masks.filter(|line| line.kind == "tmpfs").map(|line| line.id));
        for path in &linux.readonly_paths {
            if let Some(line) = seen.mount_at(Path::new(path))
                && self.shows_itself(path, line, seen, &known)
            {
                known.push(line.id);
            }
        }
        known
    }

    /// A mount that protects a path shows what is there without it.
    fn shows_itself(&self, path: &str, line: &MountLine, seen: &Seen, known: &[u64]) -> bool {
        let name = name_of(Path::new(path));
        let below = self.plan.mounts.iter().rev().find_map(|mount| {
            let rest = name.strip_prefix(name_of(&mount.destination)).ok()?;
            Some((rest, seen.mount_at(&mount.destination)?))
        });
        below.is_some_and(|(rest, below)| {
            let same = below.id == line.id;
            let part =
                below.device == line.device && Path::new(&line.root) == Path::new("/").join(rest);
            is_readonly(line) && (same || part) && (same || known.contains(&below.id))
        })
    }

    /// A cgroup that is mounted from within a namespace: the container's, or one below.
    fn is_own_cgroup(&self, line: &MountLine) -> bool {
        let is_v2 = match line.kind.as_str() {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return false,
        };
        let own = self.cgroup_path.trim_matches('/');
        let mut places = self.cgroups.iter().filter(|(controllers, path)| {
            controllers.is_empty() == is_v2 && !own.is_empty() && Path::new(path).ends_with(own)
        });
        places.any(|(_, path)| Path::new(&line.root).starts_with(path))
    }

    /// What the bundle hides is hidden, and what it protects cannot be written.
    fn check_protected(&self, seen: &Seen) -> Result<(), String> {
        for path in &self.plan.linux.masked_paths {
            let Some((line, is_root)) = seen.mount_of(Path::new(path)) else { continue };
            let is_empty = line.kind == "tmpfs" && line.root == "/" && is_readonly(line);
            if path != NULL && !(is_root && (is_empty || seen.is_null(Path::new(path)))) {
                return Err(format!("{path} is not masked"));
            }
        }
        for path in &self.plan.linux.readonly_paths {
            if let Some((line, _)) = seen.mount_of(Path::new(path))
                && !is_readonly(line)
                && !seen.is_null(Path::new(path))
            {
                return Err(format!("{path} can be written"));
            }
        }
        let root = seen.mount_at(Path::new("/"));
        if self.plan.root_readonly && !root.is_some_and(is_readonly) {
            return Err("the root can be written, and the bundle forbids it".to_owned());
        }
        Ok(())
    }
}

const RESTRICTIONS: [(&str, Attributes); 4] = [
    ("ro", Attributes::RDONLY),
    ("nosuid", Attributes::NOSUID),
    ("nodev", Attributes::NODEV),
    ("noexec", Attributes::NOEXEC),
];

fn has(line: &MountLine, word: &str) -> bool {
    line.options.split(',').any(|it| it == word)
}

/// A mount of the same file system, of the same part of it or one below, with the same restrictions.
fn is_part_of(line: &MountLine, staged: &MountLine) -> bool {
    line.device == staged.device
        && Path::new(&line.root).starts_with(&staged.root)
        && RESTRICTIONS.iter().all(|(word, _)| !has(staged, word) || has(line, word))
}

/// A mount with all the restrictions that the bundle asks for.
fn is_restricted(line: &MountLine, options: &MountOptions) -> bool {
    let asked = options.change.set.with(options.recursive_change.set);
    RESTRICTIONS.iter().all(|(word, bit)| !asked.contains(*bit) || has(line, word))
}

fn is_readonly(line: &MountLine) -> bool {
    has(line, "ro")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(device: &str, root: &str, options: &str) -> MountLine {
        MountLine {
            id: 1,
            parent: 0,
            device: device.into(),
            root: root.into(),
            place: "/x".into(),
            options: options.into(),
            kind: "ext4".into(),
            is_shared: false,
            is_slave: false,
        }
    }

    #[test]
    fn a_mount_may_show_no_more_than_what_is_attached() {
        let staged = line("8:1", "/srv/data", "ro,nosuid");
        for (mount, fits) in [
            (line("8:1", "/srv/data", "ro,nosuid,relatime"), true),
            (line("8:1", "/srv/data/below", "nosuid,ro,noexec"), true),
            (line("8:1", "/srv/data", "rw,nosuid"), false),
            (line("8:1", "/srv", "ro,nosuid"), false),
            (line("8:1", "/", "ro,nosuid"), false),
            (line("8:1", "/srv/database", "ro,nosuid"), false),
            (line("8:2", "/srv/data", "ro,nosuid"), false),
        ] {
            assert_eq!(is_part_of(&mount, &staged), fits, "{mount:?}");
        }
    }

    #[test]
    fn a_mount_has_the_restrictions_that_the_bundle_asks_for() {
        let options = MountOptions::parse(&["nosuid", "noexec", "ro"]);
        for (words, fits) in [
            ("ro,nosuid,nodev,noexec,relatime", true),
            ("rw,nosuid,nodev,noexec", false),
            ("ro,nosuid,nodev", false),
        ] {
            assert_eq!(is_restricted(&line("0:5", "/", words), &options), fits, "{words}");
        }
    }
}

//! The words of a mount's option list: attributes, propagation, binds, and data for the file system.

use gantry_sys::mount::{Attributes, Change, Propagation};

/// An option list, sorted by what takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// For this mount alone.
    pub change: Change,
    /// For this mount and all below (`rro` and its kin).
    pub recursive_change: Change,
    pub bind: Option<BindKind>,
    pub propagation: Vec<(Propagation, Recursion)>,
    /// Flags of the file system itself, such as `sync`.
    pub superblock: Vec<&'static str>,
    /// Everything else: keys and values for the file system.
    pub data: Vec<(String, Option<String>)>,
    /// Copy what the mount hides into it (tmpfs).
    pub copy_up: bool,
    /// Show files with other owners (binds).
    pub id_map: Option<Recursion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recursion {
    TopOnly,
    All,
}

/// The option `bind` or `rbind` was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BindKind(pub Recursion);

const SUPERBLOCK: [&str; 7] =
    ["sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"];

impl MountOptions {
    pub(crate) fn parse<S: AsRef<str>>(words: &[S]) -> Self {
        let mut options = Self::default();
        for word in words {
            options.add(word.as_ref());
        }
        options
    }

    fn add(&mut self, word: &str) {
        if let Some((set, clear)) = attribute(word) {
            merge(&mut self.change, set, clear);
        } else if let Some((set, clear)) = word.strip_prefix('r').and_then(attribute) {
            merge(&mut self.recursive_change, set, clear);
            self.recursive_change.recursive = true;
        } else if let Some(propagation) = propagation(word) {
            self.propagation.push(propagation);
        } else if let Some(flag) = SUPERBLOCK.iter().find(|flag| **flag == word) {
            self.superblock.push(flag);
        } else {
            match word {
                "bind" => self.bind = self.bind.or(Some(BindKind(Recursion::TopOnly))),
                "rbind" => self.bind = Some(BindKind(Recursion::All)),
                "tmpcopyup" => self.copy_up = true,
                // What a kernel logs and how it counts a file's changes is nothing that a container's mount could choose.
                "" | "defaults" | "remount" | "loud" | "silent" | "iversion" | "noiversion" => {}
                "idmap" => self.id_map = self.id_map.or(Some(Recursion::TopOnly)),
                "ridmap" => self.id_map = Some(Recursion::All),
                _ => self.data.push(match word.split_once('=') {
                    // mount(8) wants a label in quotes, because there may be a comma in it; here nothing is separated by commas.
                    Some(("context", label)) => {
                        ("context".to_owned(), Some(label.trim_matches('"').to_owned()))
                    }
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (word.to_owned(), None),
                }),
            }
        }
    }

    /// SELinux labels the files of a file system that has no labels of its own by a mount option. The kernel's own trees have theirs.
    pub(crate) fn with_label(mut self, kind: &str, label: &str) -> Self {
        let has_own =
            matches!(kind, "proc" | "sysfs" | "mqueue") || self.value("context").is_some();
        if !label.is_empty() && !has_own {
            self.data.push(("context".to_owned(), Some(label.to_owned())));
        }
        self
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.data.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref())
    }
}

/// The later word wins over the earlier one.
fn merge(change: &mut Change, set: Attributes, clear: Attributes) {
    change.set = change.set.without(clear).with(set);
    change.clear = change.clear.without(set).with(clear);
}

/// What an option sets and clears.
fn attribute(word: &str) -> Option<(Attributes, Attributes)> {
    use Attributes as A;
    Some(match word {
        "ro" => (A::RDONLY, A::NONE),
        "rw" => (A::NONE, A::RDONLY),
        "nosuid" => (A::NOSUID, A::NONE),
        "suid" => (A::NONE, A::NOSUID),
        "nodev" => (A::NODEV, A::NONE),
        "dev" => (A::NONE, A::NODEV),
        "noexec" => (A::NOEXEC, A::NONE),
        "exec" => (A::NONE, A::NOEXEC),
        "nodiratime" => (A::NODIRATIME, A::NONE),
        "diratime" => (A::NONE, A::NODIRATIME),
        "nosymfollow" => (A::NOSYMFOLLOW, A::NONE),
        "symfollow" => (A::NONE, A::NOSYMFOLLOW),
        // The kernel's default is relatime, which is what others go back to when they are taken back.
        "relatime" | "atime" | "nostrictatime" => (A::RELATIME, A::ATIME),
        "noatime" => (A::NOATIME, A::ATIME),
        "strictatime" => (A::STRICTATIME, A::ATIME),
        "norelatime" => (A::NONE, A::NONE),
        _ => return None,
    })
}

/// A propagation word of mount(8), with or without its `r`.
pub(crate) fn propagation(word: &str) -> Option<(Propagation, Recursion)> {
    Some(match word {
        "private" => (Propagation::Private, Recursion::TopOnly),
        "rprivate" => (Propagation::Private, Recursion::All),
        "slave" => (Propagation::Slave, Recursion::TopOnly),
        "rslave" => (Propagation::Slave, Recursion::All),
        "shared" => (Propagation::Shared, Recursion::TopOnly),
        "rshared" => (Propagation::Shared, Recursion::All),
        "unbindable" => (Propagation::Unbindable, Recursion::TopOnly),
        "runbindable" => (Propagation::Unbindable, Recursion::All),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_value_and_said_once() {
        let context = |options: &MountOptions| {
            let labels = options.data.iter().filter(|(key, _)| key == "context");
            labels.map(|(_, label)| label.clone().unwrap_or_default()).collect::<Vec<_>>()
        };
        let none = MountOptions::parse(&["ro"]);
        assert_eq!(
            context(&none.clone().with_label("tmpfs", "a:b:c:s0:c1,c2")),
            ["a:b:c:s0:c1,c2"]
        );
        for kind in ["proc", "sysfs", "mqueue"] {
            assert!(context(&none.clone().with_label(kind, "a:b:c")).is_empty(), "{kind}");
        }
        assert!(context(&none.with_label("tmpfs", "")).is_empty());
        let quoted = MountOptions::parse(&["context=\"a:b:c:s0:c1,c2\""]).with_label("tmpfs", "x");
        assert_eq!(context(&quoted), ["a:b:c:s0:c1,c2"]);
    }
}

//! `userns-remap`: whose subordinate ids containers get, from `/etc/subuid` and `/etc/subgid`.

use std::fs;
use std::path::{Path, PathBuf};

use gantry_engine::UserNamespace;

use crate::error::Error;

const KEY: &str = "userns-remap";
/// The user that `default` means, as in Docker.
const DEFAULT_USER: &str = "dockremap";

/// The files that say who is who.
pub(crate) struct Files {
    pub(crate) users: PathBuf,
    pub(crate) groups: PathBuf,
    pub(crate) subordinate_users: PathBuf,
    pub(crate) subordinate_groups: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            users: "/etc/passwd".into(),
            groups: "/etc/group".into(),
            subordinate_users: "/etc/subuid".into(),
            subordinate_groups: "/etc/subgid".into(),
        }
    }
}

/// The mapping that `default`, a user or a user and a group mean, by name or number; beyond Docker, `map:FIRST[:COUNT]`.
pub(crate) fn mapping(text: &str, files: &Files) -> Result<UserNamespace, Error> {
    let refused = |why: String| Error::Refused { key: KEY, value: text.to_owned(), why };
    if text.starts_with("map:") {
        return UserNamespace::from_range(text).map_err(|error| refused(error.to_string()));
    }
    let meant = if text == "default" { DEFAULT_USER } else { text };
    let (user, group) = match meant.split_once(':') {
        Some((_, group)) if group.is_empty() || group.contains(':') => {
            return Err(refused("it is default, user, or user:group".to_owned()));
        }
        Some((user, group)) => (user, group),
        None => (meant, meant),
    };
    let users = ranges(user, &files.users, &files.subordinate_users).map_err(refused)?;
    let groups = ranges(group, &files.groups, &files.subordinate_groups).map_err(refused)?;
    Ok(UserNamespace { users, groups })
}

/// The ranges of one user or group, which may be named by a number here and by a name there.
fn ranges(name: &str, accounts: &Path, subordinate: &Path) -> Result<Vec<(u32, u32)>, String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))
    };
    if matches!(name, "0" | "root") {
        return Err("root's own ids would be those of containers".to_owned());
    }
    let accounts = read(accounts)?;
    let account = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name) || fields.get(2) == Some(&name));
    let also: Vec<&str> = account
        .map(|fields| fields.iter().take(3).step_by(2).copied().collect())
        .unwrap_or_default();
    let text = read(subordinate)?;
    let mut found = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let [owner, first, count] = fields.as_slice() else { continue };
        if *owner == name || also.contains(owner) {
            let numbers = first.parse::<u32>().ok().zip(count.parse::<u32>().ok());
            let range = numbers.filter(|(first, count)| {
                *first > 0 && *count > 0 && first.checked_add(*count).is_some()
            });
            found.push(range.ok_or_else(|| {
                format!("{} has a line that makes no sense: {line}", subordinate.display())
            })?);
        }
    }
    if found.is_empty() {
        let path = subordinate.display();
        return Err(format!("{path} gives {name} no ids: add a line like {name}:100000:65536"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Files {
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Files {
            users: put("passwd", "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n"),
            groups: put("group", "root:x:0:\nstaff:x:50:\n"),
            subordinate_users: put(
                "subuid",
                "alice:100000:65536\n1000:300000:10\ndockremap:200000:65536\nbad:x:1\n",
            ),
            subordinate_groups: put(
                "subgid",
                "alice:100000:65536\nstaff:400000:65536\ndockremap:200000:65536\n",
            ),
        }
    }

    #[test]
    fn whose_ids() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let of = |text: &str| mapping(text, &files).map(|it| (it.users, it.groups));
        let own = vec![(200_000, 65_536)];
        assert_eq!(of("default").unwrap(), (own.clone(), own));
        // By name and number, and by both in the file.
        let alice = vec![(100_000, 65_536), (300_000, 10)];
        assert_eq!(of("alice:staff").unwrap(), (alice.clone(), vec![(400_000, 65_536)]));
        assert_eq!(of("1000:50").unwrap(), (alice, vec![(400_000, 65_536)]));
        for (text, says) in [
            ("bob", "gives bob no ids"),
            ("bad", "makes no sense"),
            ("root", "root's own"),
            ("alice:", "user:group"),
            ("alice:bob", "gives bob no ids"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}

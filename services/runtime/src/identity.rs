//! Who a container's process is: ids from what the user wrote, with the container's own `passwd` and `group` files.
//!
//! The files come from an image and are not trusted: they are read through the root's descriptor, up to a limit, and lines that make no
//! sense are skipped.

use std::io;
use std::path::Path;

use gantry_oci::runtime::User;

use crate::failure::{During, Failure};
use crate::root::Root;

/// Larger files are refused.
const FILE_LIMIT_BYTES: u64 = 10 << 20;
/// The kernel's limit on supplementary groups (`NGROUPS_MAX`).
const GROUPS_LIMIT: usize = 65536;
/// Docker's range of ids: what fits a signed 32-bit number.
const HIGHEST_ID: u32 = 0x7fff_ffff;

/// Resolved ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// Home directory by the passwd file, else `/`.
    pub home: String,
}

/// Resolves the user of a process inside the container's root.
pub(crate) fn resolve(root: &Root, user: &User) -> Result<Identity, Failure> {
    checked(find(root, user)?)
}

/// The same of what was written, with the files' contents given.
#[cfg(feature = "fuzzing")]
pub(crate) fn resolve_with(text: &str, passwd: &str, group: &str) -> Result<Identity, Failure> {
    checked(Written::parse(text).resolve(passwd, || Ok(group.to_owned()))?)
}

fn checked(identity: Identity) -> Result<Identity, Failure> {
    // To the kernel this number means "leave it as it is", which is root.
    let mut ids = [identity.uid, identity.gid].into_iter().chain(identity.groups.iter().copied());
    if ids.any(|id| id == u32::MAX) {
        return Err(Failure::invalid(format!("{} is not a valid user or group id", u32::MAX)));
    }
    Ok(identity)
}

fn find(root: &Root, user: &User) -> Result<Identity, Failure> {
    let mut identity = if user.username.is_empty() {
        // The home directory is all that is wanted of the table, which may be closed to the root of a user namespace.
        let passwd = match read_bytes(root, "/etc/passwd") {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => String::new(),
            read => as_text(&read.during("read the container's /etc/passwd")?),
        };
        Identity {
            uid: user.uid,
            gid: user.gid,
            groups: Vec::new(),
            home: home_of(&passwd, user.uid),
        }
    } else {
        let passwd = read(root, "/etc/passwd")?;
        let mut found =
            Written::parse(&user.username).resolve(&passwd, || read(root, "/etc/group"))?;
        // As Docker does since CVE-2022-36109: what a group may not, its members may not, whichever group they change to.
        if !found.groups.contains(&found.gid) {
            found.groups.insert(0, found.gid);
        }
        found
    };
    identity.groups.extend(&user.additional_gids);
    if !user.additional_group_names.is_empty() {
        let group = read(root, "/etc/group")?;
        add_groups(&mut identity.groups, &user.additional_group_names, &group)?;
    }
    if identity.groups.len() > GROUPS_LIMIT {
        return Err(Failure::invalid(format!(
            "user {:?} is in {} groups; the limit is {GROUPS_LIMIT}",
            user.username,
            identity.groups.len()
        )));
    }
    Ok(identity)
}

/// Adds groups by name or number, each once.
fn add_groups(groups: &mut Vec<u32>, wanted: &[String], group: &str) -> Result<(), Failure> {
    if wanted.len() > GROUPS_LIMIT {
        return Err(Failure::invalid(format!(
            "additionalGroupNames has {} entries; the limit is {GROUPS_LIMIT}",
            wanted.len()
        )));
    }
    for name in wanted {
        let gid = group_id(name, group)?;
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    Ok(())
}

fn read(root: &Root, path: &str) -> Result<String, Failure> {
    let bytes = read_bytes(root, path).during_with(|| format!("read the container's {path}"))?;
    Ok(as_text(&bytes))
}

fn read_bytes(root: &Root, path: &str) -> io::Result<Vec<u8>> {
    Ok(root.read(Path::new(path), FILE_LIMIT_BYTES)?.unwrap_or_default())
}

fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `user` or `user:group`, each a name or a number; either may be empty.
#[derive(Debug, PartialEq, Eq)]
struct Written<'a> {
    user: &'a str,
    group: &'a str,
}

impl<'a> Written<'a> {
    fn parse(text: &'a str) -> Self {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        Self { user, group }
    }

    fn resolve(
        &self,
        passwd: &str,
        read_group: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<Identity, Failure> {
        let wanted = if self.user.is_empty() { "0" } else { self.user };
        let number = wanted.parse::<u32>().ok();
        let account = passwd
            .lines()
            .filter_map(Account::parse)
            .find(|account| account.name == wanted || Some(account.uid) == number);
        let (uid, gid, home, name) = match (&account, number) {
            (Some(account), _) => (account.uid, account.gid, account.home, account.name),
            (None, Some(uid)) => (in_range(uid)?, 0, "", ""),
            (None, None) => return Err(no_user(wanted)),
        };
        let group = read_group()?;
        let (gid, groups) = if self.group.is_empty() {
            (gid, groups_of(&group, name))
        } else {
            (group_id(self.group, &group)?, Vec::new())
        };
        let home = if home.is_empty() { "/" } else { home };
        Ok(Identity { uid, gid, groups, home: home.to_owned() })
    }
}

/// The group that is meant by a name or a number.
fn group_id(wanted: &str, group: &str) -> Result<u32, Failure> {
    let number = wanted.parse::<u32>().ok();
    let found = group
        .lines()
        .filter_map(Group::parse)
        .find(|entry| entry.name == wanted || Some(entry.gid) == number);
    match (found, number) {
        (Some(entry), _) => Ok(entry.gid),
        (None, Some(gid)) => in_range(gid),
        (None, None) => Err(Failure::invalid(format!(
            "unable to find group {wanted}: no matching entries in group file"
        ))),
    }
}

fn no_user(name: &str) -> Failure {
    Failure::invalid(format!("unable to find user {name}: no matching entries in passwd file"))
}

fn in_range(id: u32) -> Result<u32, Failure> {
    if id <= HIGHEST_ID {
        Ok(id)
    } else {
        Err(Failure::invalid(format!("uids and gids must be in range 0-{HIGHEST_ID}, not {id}")))
    }
}

fn home_of(passwd: &str, uid: u32) -> String {
    passwd
        .lines()
        .filter_map(Account::parse)
        .find(|account| account.uid == uid)
        .map(|account| account.home)
        .filter(|home| !home.is_empty())
        .unwrap_or("/")
        .to_owned()
}

/// The groups that list this user as a member.
fn groups_of(group: &str, name: &str) -> Vec<u32> {
    if name.is_empty() {
        return Vec::new();
    }
    let listed = |entry: &Group<'_>| entry.members.split(',').any(|member| member == name);
    let groups = group.lines().filter_map(Group::parse).filter(listed);
    groups.map(|entry| entry.gid).take(GROUPS_LIMIT + 1).collect()
}

/// A line of passwd(5).
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Account<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).filter(|home| !home.contains('\0')).unwrap_or_default();
        Some(Self { name, uid, gid, home })
    }
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Self { name, gid, members: fields.next().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken line\n\
        web:x:33:34:Web:/var/www:/bin/sh\n1000:x:7:8::/digits:/bin/sh\nfar:x:4294967295:1:::\n";
    const GROUP: &str = "root:x:0:\nwww:x:34:web\nlogs:x:50:root,web\nodd:x:notanumber:web\n";

    fn check(text: &str, expected: (u32, u32, &[u32], &str)) {
        let identity = Written::parse(text).resolve(PASSWD, || Ok(GROUP.to_owned())).unwrap();
        let found = (identity.uid, identity.gid, &identity.groups[..], identity.home.as_str());
        assert_eq!(found, expected, "{text}");
    }

    fn check_refused(text: &str, words: &str) {
        let failure = Written::parse(text).resolve(PASSWD, || Ok(GROUP.to_owned())).unwrap_err();
        assert_eq!(failure.message, words);
    }

    #[test]
    fn names_and_numbers_become_ids() {
        check("web", (33, 34, &[34, 50], "/var/www"));
        check("33", (33, 34, &[34, 50], "/var/www"));
        check("web:logs", (33, 50, &[], "/var/www"));
        check("web:7", (33, 7, &[], "/var/www"));
        check(":logs", (0, 50, &[], "/root"));
        check("12345", (12345, 0, &[], "/"));
        check("1000", (7, 8, &[], "/digits"));
    }

    #[test]
    fn what_is_not_there_is_told_in_dockers_words() {
        check_refused("nobody", "unable to find user nobody: no matching entries in passwd file");
        check_refused("web:none", "unable to find group none: no matching entries in group file");
        check_refused("-1", "unable to find user -1: no matching entries in passwd file");
        check_refused("2147483648", "uids and gids must be in range 0-2147483647, not 2147483648");
    }

    #[test]
    fn further_groups_are_added_by_name_or_number_once() {
        let add = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
            let mut groups = vec![7];
            add_groups(&mut groups, &wanted, GROUP).map(|()| groups)
        };
        assert_eq!(add(&["logs", "50", "www", "7", "999"]).unwrap(), [7, 50, 34, 999]);
        let failure = add(&["www", "audio"]).unwrap_err();
        assert_eq!(
            failure.message,
            "unable to find group audio: no matching entries in group file"
        );
        assert!(add(&["2147483648"]).is_err());
    }

    #[test]
    fn missing_files_are_fine_for_numbers() {
        let identity = Written::parse("5:6").resolve("", || Ok(String::new())).unwrap();
        assert_eq!((identity.uid, identity.gid), (5, 6));
    }
}

//! Users and groups by name, as a root's own files have them. These are read with limits: an image wrote them.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::{Error, Result};

/// The most bytes that are read of a file with accounts.
const MAX_BYTES: u64 = 1 << 20;

/// `user[:group]` as numbers. A user's name brings its group; a number brings itself.
pub(crate) fn look_up(root: BorrowedFd<'_>, text: &str) -> Result<(u32, u32)> {
    let (user, group) =
        text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let unknown = |what, name: &str| {
        Error::invalid(what, name, "it is no number, and the image's own files do not name it")
    };
    let (uid, own_gid) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) if user.is_empty() => (0, 0),
        Err(_) => {
            let passwd = read(root, "etc/passwd");
            let fields = named(&passwd, user).ok_or_else(|| unknown("user", user))?;
            let number = |field: usize| fields.get(field).and_then(|text| text.parse().ok());
            let uid = number(2).ok_or_else(|| unknown("user", user))?;
            (uid, number(3).unwrap_or(uid))
        }
    };
    let Some(group) = group.filter(|group| !group.is_empty()) else { return Ok((uid, own_gid)) };
    let gid = if let Ok(gid) = group.parse() {
        gid
    } else {
        let groups = read(root, "etc/group");
        let fields = named(&groups, group).ok_or_else(|| unknown("group", group))?;
        let gid = fields.get(2).and_then(|text| text.parse().ok());
        gid.ok_or_else(|| unknown("group", group))?
    };
    Ok((uid, gid))
}

/// The fields of the line that begins with a name.
fn named<'t>(text: &'t str, name: &str) -> Option<Vec<&'t str>> {
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.first() == Some(&name))
}

/// A file of the root; empty when there is none that can be read.
fn read(root: BorrowedFd<'_>, path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut text = Vec::new();
    if let Ok(file) = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
        let file = File::from(file);
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            // What cannot be read names nobody.
            drop(file.take(MAX_BYTES).read_to_end(&mut text));
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

//! Who a container's user is in numbers, by the container's own files, which nobody vouches for.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, OFlags, fstat};

use super::place::open_in;
use crate::Result;
use crate::error::Error;

/// Bytes of an account file that are read.
const LIMIT_BYTES: u64 = 8 << 20;

/// User and group of `user[:group]`, names or numbers; none when there is no user.
pub(super) fn of_user(root: BorrowedFd<'_>, text: &str) -> Result<Option<(u32, u32)>> {
    if text.is_empty() {
        return Ok(None);
    }
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let accounts = read(root, b"etc/passwd");
    let account = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        fields.first() == Some(&user) || fields.get(2).is_some_and(|uid| *uid == user)
    });
    let number = |text: &str| text.parse::<u32>().ok().filter(|id| *id != u32::MAX);
    let field = |at: usize| account.as_ref().and_then(|fields| number(fields.get(at)?));
    let unknown =
        |what| Error::invalid(format!("the container has no {what} of its user {text:?}"));
    let uid = field(2).or_else(|| number(user)).ok_or_else(|| unknown("account"))?;
    let gid = match group {
        "" => field(3).unwrap_or(0),
        group => {
            let groups = read(root, b"etc/group");
            let named = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let named = named.into_iter().find(|fields| fields.first() == Some(&group));
            let found = named.and_then(|fields| number(fields.get(2)?));
            found.or_else(|| number(group)).ok_or_else(|| unknown("group"))?
        }
    };
    Ok(Some((uid, gid)))
}

/// An account file; nothing when there is none.
fn read(root: BorrowedFd<'_>, path: &[u8]) -> String {
    let held = open_in(root, path, OFlags::PATH);
    let is_file = |fd: &std::os::fd::OwnedFd| {
        fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    };
    let Some(held) = held.ok().filter(is_file) else { return String::new() };
    // By the descriptor: the name may be another's by now.
    let itself = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held.as_fd()));
    let mut text = Vec::new();
    match File::open(itself) {
        Ok(file) => drop(file.take(LIMIT_BYTES).read_to_end(&mut text)),
        Err(_) => return String::new(),
    }
    String::from_utf8_lossy(&text).into_owned()
}

//! Paths in a container: cleaned by their text as Docker does, then resolved by the kernel below the container's root.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_types::Timestamp;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, readlinkat, statat,
};
use rustix::io::Errno;

/// Links that are followed for [`PathStat::link_target`]; the kernel's own limit.
const MOST_LINKS: usize = 40;

/// What is at a path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// The path's last component.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Kind and permissions as Go's `os.FileMode` has them.
    pub mode: u32,
    pub modified: Timestamp,
    /// Of a symbolic link: the absolute path in the container where it leads in the end.
    pub link_target: String,
}

/// A path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Absolute, without `.`, `..` and repeated slashes.
    clean: Vec<u8>,
    /// The user wrote a slash or `/.` at the end: a link there is followed.
    follows: bool,
    /// The user wrote `/.` at the end, or meant the directory itself.
    is_content: bool,
}

impl Path {
    pub(super) fn parse(text: &str) -> Self {
        let clean = clean(text.as_bytes());
        let is_content = (text.ends_with("/.") || text == ".") && clean != b"/";
        let follows = is_content || text.ends_with('/') || clean == b"/";
        Self { clean, follows, is_content }
    }

    /// What archives call it: the last component, `.` for a directory's content, a slash for the root.
    pub(super) fn archive_name(&self) -> &[u8] {
        if self.is_content { b"." } else { base(&self.clean) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.clean
    }
}

fn base(clean: &[u8]) -> &[u8] {
    match clean.iter().rposition(|&byte| byte == b'/') {
        Some(at) if at + 1 < clean.len() => &clean[at + 1..],
        _ => clean,
    }
}

fn clean(text: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in text.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    [&b"/"[..], &parts.join(&b'/')].concat()
}

/// A path as it is given to the kernel with a root.
pub(super) fn within(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    if start == path.len() { b"." } else { &path[start..] }
}

/// Opens a path as if `root` were the root directory of the process. No link of a `/proc` leads out.
pub(super) fn open_in(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    /// The kernel gives up with EAGAIN when something anywhere is renamed while it goes up a `..` of a link.
    const ATTEMPTS: usize = 64;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..ATTEMPTS {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Where something is: a directory, and a name in it, which is `.` for the directory itself.
pub(super) struct Found {
    pub dir: OwnedFd,
    pub name: Vec<u8>,
    pub stat: Stat,
}

/// Finds what is at a path; a link at its end is found itself, unless the path says otherwise.
pub(super) fn find(root: BorrowedFd<'_>, path: &Path) -> Result<Found, Errno> {
    let clean = &path.clean;
    if path.follows {
        // A slash at the end wants a directory.
        let dir = open_in(root, within(clean), OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstat(&dir)?;
        return Ok(Found { dir, name: b".".to_vec(), stat });
    }
    let name = base(clean).to_vec();
    let parent = &clean[..clean.len() - name.len()];
    let dir = open_in(root, within(parent), OFlags::PATH | OFlags::DIRECTORY)?;
    let stat = statat(&dir, &name[..], AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Found { dir, name, stat })
}

/// What [`PathStat`] says of it.
pub(super) fn describe(root: BorrowedFd<'_>, path: &Path, found: &Found) -> PathStat {
    let stat = &found.stat;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let link_target = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => text(&target(root, path.clean.clone())),
        _ => String::new(),
    };
    PathStat {
        name: text(path.archive_name()),
        size: stat.st_size,
        mode: go_mode(stat.st_mode),
        modified: Timestamp {
            seconds: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        link_target,
    }
}

/// Follows a link from path to path; one that leads nowhere ends where nothing is.
fn target(root: BorrowedFd<'_>, mut path: Vec<u8>) -> Vec<u8> {
    for _ in 0..MOST_LINKS {
        let name = base(&path);
        let parent = &path[..path.len() - name.len()];
        let dir = open_in(root, within(parent), OFlags::PATH | OFlags::DIRECTORY);
        let Ok(link) = dir.and_then(|dir| readlinkat(dir.as_fd(), name, Vec::new())) else { break };
        let link = link.as_bytes();
        path = if link.starts_with(b"/") { clean(link) } else { clean(&[parent, link].concat()) };
    }
    path
}

/// Go's `os.FileMode` of a mode of stat(2).
fn go_mode(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.into_iter().filter(|(bit, _)| mode & bit != 0);
    special.fold(kind | mode & 0o777, |all, (_, bit)| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_docker_reads_them() {
        for (text, clean, name, follows) in [
            ("etc/passwd", "/etc/passwd", "passwd", false),
            ("/etc/", "/etc", "etc", true),
            ("/etc/.", "/etc", ".", true),
            ("/a/../..//b/./c", "/b/c", "c", false),
            ("/", "/", "/", true),
            ("/.", "/", "/", true),
            (".", "/", "/", true),
        ] {
            let path = Path::parse(text);
            assert_eq!(path.bytes(), clean.as_bytes(), "{text}");
            assert_eq!(path.archive_name(), name.as_bytes(), "{text}");
            assert_eq!(path.follows, follows, "{text}");
        }
    }

    #[test]
    fn modes_are_gos() {
        for (mode, go) in [
            (0o100_644, 0o644),
            (0o040_755, 1 << 31 | 0o755),
            (0o120_777, 1 << 27 | 0o777),
            (0o104_755, 1 << 23 | 0o755),
            (0o041_777, 1 << 31 | 1 << 20 | 0o777),
            (0o020_666, 1 << 26 | 1 << 21 | 0o666),
        ] {
            assert_eq!(go_mode(mode), go, "{mode:o}");
        }
    }
}

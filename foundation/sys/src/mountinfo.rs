//! Lines of a process's `mountinfo` (`proc_pid_mountinfo(5)`).

use std::fs::File;
use std::io::{self, Read};

/// One mount as its process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLine {
    pub id: u64,
    /// The mount that it lies on.
    pub parent: u64,
    /// `major:minor` of the file system.
    pub device: String,
    /// What of the file system is mounted.
    pub root: String,
    /// Where.
    pub place: String,
    /// Of this mount alone: `ro,nosuid,…`.
    pub options: String,
    pub kind: String,
    /// What is mounted below it is seen by others, and the other way round (`shared:N`).
    pub is_shared: bool,
    /// What others mount is seen below it, and not the other way round (`master:N`).
    pub is_slave: bool,
}

/// A namespace of mounts is at most as large as `fs.mount-max`, 100,000 lines; this much text is more than that.
const LIMIT_BYTES: u64 = 64 << 20;

/// The mounts of a process.
///
/// # Errors
/// There is no such process, or it may not be looked at.
pub fn read(pid: i32) -> io::Result<Vec<MountLine>> {
    let mut text = String::new();
    File::open(format!("/proc/{pid}/mountinfo"))?.take(LIMIT_BYTES).read_to_string(&mut text)?;
    Ok(text.lines().filter_map(parse).collect())
}

/// `36 35 98:0 /root /place rw,noatime shared:1 - ext4 /dev/sda rw`
fn parse(line: &str) -> Option<MountLine> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut words = mount.split(' ');
    let id = words.next()?.parse().ok()?;
    let parent = words.next()?.parse().ok()?;
    let device = words.next()?.to_owned();
    let (root, place, options) = (words.next()?, words.next()?, words.next()?);
    let kind = unescape(filesystem.split(' ').next()?);
    let has = |name: &str| mount.split(' ').skip(6).any(|word| word.starts_with(name));
    Some(MountLine {
        id,
        parent,
        device,
        root: unescape(root),
        place: unescape(place),
        options: options.to_owned(),
        kind,
        is_shared: has("shared:"),
        is_slave: has("master:"),
    })
}

/// Spaces and their kin are written as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let code = code.filter(|_| *first == b'\\');
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &others[3..] } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_escapes() {
        let line = r"36 35 0:31 /a\040b /c\134d rw,nosuid shared:1 master:2 - tmpfs tmp\011fs rw";
        let expected = MountLine {
            id: 36,
            parent: 35,
            device: "0:31".into(),
            root: "/a b".into(),
            place: "/c\\d".into(),
            options: "rw,nosuid".into(),
            kind: "tmpfs".into(),
            is_shared: true,
            is_slave: true,
        };
        assert_eq!(parse(line), Some(expected));
        let private = parse("1 0 8:1 / /shared:1 rw - ext4 /dev/sda rw").unwrap();
        assert!(!private.is_shared && !private.is_slave);
        assert_eq!(parse("36 35 0:31 / /"), None);
        assert!(read(crate::process::pid()).unwrap().iter().any(|line| line.place == "/"));
    }
}

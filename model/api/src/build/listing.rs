//! What a folder has, as a client tells it that builds from it on another machine: each path with a mark that is another one as soon
//! as anything at that path is. Who has the files of an earlier listing needs those alone whose marks are new.
//!
//! Paths are in the order of their bytes, and each says how much of it is as in the one before.

use std::collections::HashSet;

/// The first bytes.
const MAGIC: &[u8; 8] = b"gntlist1";
/// The most entries.
const MAX_ENTRIES: usize = 1_000_000;
/// The most bytes of all paths together.
const MAX_PATH_BYTES: usize = 128 << 20;
/// The most bytes of a listing as it is sent.
pub const MAX_LISTING_BYTES: u64 = 192 << 20;
/// What the kernel takes of a path, and how deep directories may lie in one another: as archives have it.
const MAX_PATH: usize = 4095;
const MAX_DEPTH: usize = 512;
/// Bytes of a mark.
const MARK: usize = 16;

/// What is noted of what lies at a path.
pub type Mark = [u8; MARK];
/// The mark of what may change without a trace: nobody has what it means.
pub const UNSETTLED: Mark = [0; MARK];

/// What lies at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path in the folder, without a slash at its beginning or end.
    pub path: Vec<u8>,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// See [`Mark`].
    pub mark: Mark,
}

/// Why bytes are no listing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidListing {
    /// They end before it does, or are something else.
    #[error("it is damaged")]
    Damaged,
    /// A path is no path in a folder, or stands in the wrong place.
    #[error("the path {0:?} cannot be there")]
    Path(String),
    /// There is too much of it.
    #[error("it has more than {MAX_ENTRIES} entries, or {MAX_PATH_BYTES} bytes of paths")]
    TooLong,
}

/// Writes entries, which are in the order of their paths.
pub fn encode(entries: &[Listed]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let mut before: &[u8] = b"";
    for entry in entries {
        let shared = before.iter().zip(&entry.path).take_while(|(one, other)| one == other).count();
        let own = &entry.path[shared..];
        put(&mut bytes, shared);
        // No path is empty, and whether it is a directory's goes with the length.
        put(&mut bytes, own.len() << 1 | usize::from(entry.is_directory));
        bytes.extend_from_slice(own);
        bytes.extend_from_slice(&entry.mark);
        before = &entry.path;
    }
    put(&mut bytes, 0);
    put(&mut bytes, 0);
    put(&mut bytes, entries.len());
    bytes
}

/// Reads a listing that anybody may have written.
///
/// # Errors
/// It is damaged, too long, or has paths that no folder has.
pub fn decode(bytes: &[u8]) -> Result<Vec<Listed>, InvalidListing> {
    read(bytes, MAX_PATH_BYTES)
}

fn read(bytes: &[u8], max_path_bytes: usize) -> Result<Vec<Listed>, InvalidListing> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(InvalidListing::Damaged)?;
    let mut entries: Vec<Listed> = Vec::new();
    let mut path_bytes = 0;
    loop {
        let (shared, length) = (take(&mut rest)?, take(&mut rest)?);
        if (shared, length) == (0, 0) {
            break;
        }
        let (is_directory, length) = (length & 1 == 1, length >> 1);
        let before = entries.last().map_or(&b""[..], |entry| &entry.path);
        let shared = before.get(..shared).ok_or(InvalidListing::Damaged)?;
        let (own, after) = rest.split_at_checked(length).ok_or(InvalidListing::Damaged)?;
        let path = [shared, own].concat();
        check(&path, before)?;
        let (mark, after) = after.split_first_chunk::<MARK>().ok_or(InvalidListing::Damaged)?;
        path_bytes += path.len();
        if entries.len() == MAX_ENTRIES || path_bytes > max_path_bytes {
            return Err(InvalidListing::TooLong);
        }
        rest = after;
        entries.push(Listed { path, is_directory, mark: *mark });
    }
    if take(&mut rest)? != entries.len() || !rest.is_empty() {
        return Err(InvalidListing::Damaged);
    }
    let directories = entries.iter().filter(|entry| entry.is_directory);
    let directories: HashSet<&[u8]> = directories.map(|entry| &entry.path[..]).collect();
    let is_lost = |entry: &&Listed| match entry.path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => !directories.contains(&entry.path[..slash]),
        None => false,
    };
    match entries.iter().find(is_lost) {
        Some(entry) => Err(of_path(&entry.path)),
        None => Ok(entries),
    }
}

fn check(path: &[u8], before: &[u8]) -> Result<(), InvalidListing> {
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..");
    let names = path.split(|byte| *byte == b'/');
    let is_path = path.len() <= MAX_PATH
        && path > before
        && !path.contains(&0)
        && names.clone().count() <= MAX_DEPTH
        && names.clone().all(is_name);
    if is_path { Ok(()) } else { Err(of_path(path)) }
}

fn of_path(path: &[u8]) -> InvalidListing {
    let shown = String::from_utf8_lossy(&path[..path.len().min(200)]);
    InvalidListing::Path(shown.into_owned())
}

/// Numbers in groups of seven bits, the lowest first; all but the last have the eighth set.
fn put(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = (number & 0x7f).to_le_bytes()[0];
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Result<usize, InvalidListing> {
    let mut number = 0;
    // Nothing that is counted here has more than 35 bits.
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(InvalidListing::Damaged)?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(InvalidListing::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, is_directory: bool, mark: u8) -> Listed {
        Listed { path: path.into(), is_directory, mark: [mark; MARK] }
    }

    #[test]
    fn what_is_written_is_read() {
        let long = "n".repeat(300);
        for entries in [
            vec![],
            vec![entry("a", true, 1), entry("a.b", false, 2), entry("a/b", false, 3)],
            vec![entry("d", true, 0), entry(&format!("d/{long}"), false, 255)],
        ] {
            let bytes = encode(&entries);
            assert_eq!(decode(&bytes).unwrap(), entries);
            for length in 0..bytes.len() {
                assert!(decode(&bytes[..length]).is_err(), "{length}");
            }
            assert!(decode(&[&bytes[..], b"x"].concat()).is_err());
        }
    }

    #[test]
    fn paths_that_no_folder_has_are_refused() {
        for path in ["../x", "/x", "x/", "a//b", "a/./b", "..", ".", "a\0b", "no/parent"] {
            let error = decode(&encode(&[entry(path, false, 1)])).unwrap_err();
            assert!(matches!(error, InvalidListing::Path(_)), "{path:?}: {error}");
        }
        for entries in [
            // Twice, in the wrong order, below a file, too deep, too long.
            vec![entry("a", false, 1), entry("a", false, 1)],
            vec![entry("b", false, 1), entry("a", false, 1)],
            vec![entry("a", false, 1), entry("a/b", false, 1)],
            vec![entry(&"a/".repeat(600), false, 1)],
            vec![entry(&"a".repeat(5000), false, 1)],
        ] {
            assert!(matches!(decode(&encode(&entries)), Err(InvalidListing::Path(_))));
        }
    }

    #[test]
    fn little_that_means_much_is_too_long() {
        // Each path is nearly the whole one before.
        let name = "n".repeat(4000);
        let path = |number: usize| format!("{name}{number:08}");
        let entries: Vec<Listed> = (0..40).map(|n| entry(&path(n), false, 1)).collect();
        let bytes = encode(&entries);
        assert!(bytes.len() < 6000);
        assert_eq!(read(&bytes, 40 * 4008).as_ref(), Ok(&entries));
        assert_eq!(read(&bytes, 40 * 4008 - 1), Err(InvalidListing::TooLong));
    }
}

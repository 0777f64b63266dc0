//! Digests of files that were read before, by what the kernel says of them: a file whose device, inode, size and times are what they
//! were has the content that it had, for every write moves its `ctime`, and nobody can set that back.
//!
//! What has changed only a moment ago is not remembered: the clock that the kernel stamps files with may be as coarse as a timer tick,
//! and another write in the same tick would leave no trace. Nor is what lies on file systems whose stamps come from other machines or
//! programs.
//!
//! The file is one for each directory that is built from: read as a whole, and written anew as a whole when something has changed. It
//! ends with a digest of itself: what a crash has torn counts as empty.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_sys::file_system::stamps_changes;
use gantry_types::Timestamp;
use rustix::fs::{Stat, fstat, fstatfs};
use sha2::{Digest as _, Sha256};

/// The first bytes of the file.
const MAGIC: &[u8; 8] = b"gnthash1";
/// Bytes of one entry: a mark, what is noted of it, and its digest.
const ENTRY: usize = 5 * 8 + 1 + 32;
/// A digest.
const DIGEST: usize = 32;
/// So many bytes are written at once.
const WRITTEN_BYTES: usize = 64 << 10;
/// The most entries of one directory that stay, beside what is new: some 70 MB.
const MAX_ENTRIES: usize = 1_000_000;
/// With more than these, what a build has not met goes: it may have gone long ago.
const MANY_ENTRIES: usize = MAX_ENTRIES / 2;
/// For so long after its change, a file may change again without a trace, in nanoseconds.
const UNSETTLED: i128 = 1_000_000_000;

/// What the kernel says of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Mark {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanos = |seconds: i64, nanos: u64| {
            seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos.cast_signed())
        };
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.unsigned_abs(),
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Whether a later change shows, when it was looked at now.
    fn is_settled(&self, now: Timestamp) -> bool {
        i128::from(self.changed) + UNSETTLED < now.as_nanos()
    }
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) digest: [u8; DIGEST],
    /// It has no extended attributes that a layer carries.
    pub(crate) is_plain: bool,
}

/// The digests of one directory's files.
#[derive(Debug)]
pub struct Hashes {
    file: PathBuf,
    device: u64,
    /// What is learned here holds for later builds.
    is_kept: bool,
    now: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was known before.
    known: Vec<(Mark, Known)>,
    /// Which of these were met.
    met: Vec<bool>,
    learned: HashMap<Mark, Known>,
}

impl State {
    fn of(known: Vec<(Mark, Known)>) -> Self {
        Self { met: vec![false; known.len()], known, ..Self::default() }
    }

    /// What is to be kept, in no order.
    fn merged(&self, many: usize) -> Vec<(Mark, Known)> {
        let again: HashSet<u64> = self.learned.keys().map(|mark| mark.inode).collect();
        let are_many = self.known.len() + self.learned.len() > many;
        let before = self.known.iter().zip(&self.met);
        let before = before
            .filter(|((mark, _), is_met)| !again.contains(&mark.inode) && (**is_met || !are_many));
        let before = before.map(|(known, _)| *known).take(MAX_ENTRIES);
        before.chain(self.learned.iter().map(|(mark, known)| (*mark, *known))).collect()
    }
}

impl Hashes {
    /// Those of the files below `root`, as an earlier build left them in `folder`; `now` is when the build began. Nothing is known
    /// where the stamps of files cannot be relied upon.
    ///
    /// # Errors
    /// The kernel does not say what `root` is.
    pub fn open(root: BorrowedFd<'_>, folder: &Path, now: Timestamp) -> io::Result<Self> {
        let stat = fstat(root)?;
        let is_kept = stamps_changes(fstatfs(root)?.f_type);
        let file = folder.join(format!("{:x}-{:x}", stat.st_dev, stat.st_ino));
        let known = if is_kept { fs::read(&file).ok() } else { None };
        let known = known.and_then(|bytes| decode(&bytes)).unwrap_or_default();
        let state = Mutex::new(State::of(known));
        Ok(Self { file, device: stat.st_dev, is_kept, now, state })
    }

    /// Without what is known so far.
    #[must_use]
    pub fn forgotten(self) -> Self {
        *self.state() = State::default();
        self
    }

    /// Whether a later change of a file shows in its mark.
    pub(crate) fn is_settled(&self, mark: &Mark) -> bool {
        self.is_kept && mark.is_settled(self.now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(&self, mark: &Mark) -> Option<Known> {
        let mut state = self.state();
        if let Ok(at) = state.known.binary_search_by_key(&order(mark), |(mark, _)| order(mark))
            && state.known[at].0 == *mark
        {
            state.met[at] = true;
            return Some(state.known[at].1);
        }
        state.learned.get(mark).copied()
    }

    /// Remembers what was read of a file that had this mark before and after.
    pub(crate) fn learn(&self, mark: Mark, known: Known) {
        let mut state = self.state();
        if mark.device == self.device
            && self.is_settled(&mark)
            && state.learned.len() < MANY_ENTRIES
        {
            state.learned.insert(mark, known);
        }
    }

    /// Writes what is new. Of a file that was known under another mark only the new one stays; where there are many, what was not
    /// met goes.
    ///
    /// # Errors
    /// It cannot be written; then nothing is remembered, and nothing else is wrong.
    pub fn save(&self) -> io::Result<()> {
        let state = self.state();
        if state.learned.is_empty() {
            return Ok(());
        }
        let mut all = state.merged(MANY_ENTRIES);
        drop(state);
        all.sort_unstable_by_key(|(mark, _)| order(mark));
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let draft = self.file.with_extension("new");
        encode(&all, fs::File::create(&draft)?)?;
        fs::rename(&draft, &self.file)
    }
}

/// By inode first; no two entries have all of it alike.
fn order(mark: &Mark) -> (u64, u64, u64, i64, i64) {
    (mark.inode, mark.device, mark.size, mark.modified, mark.changed)
}

/// Writes all entries, in the order that they have.
fn encode(all: &[(Mark, Known)], output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(WRITTEN_BYTES, output);
    let mut hasher = Sha256::new();
    let mut write = |bytes: &[u8]| {
        hasher.update(bytes);
        output.write_all(bytes)
    };
    write(MAGIC)?;
    for (mark, known) in all {
        let mut entry = [0; ENTRY];
        let numbers = [mark.inode, mark.device, mark.size];
        let times = [mark.modified, mark.changed].map(i64::cast_unsigned);
        for (place, number) in entry.chunks_exact_mut(8).zip(numbers.into_iter().chain(times)) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        entry[ENTRY - DIGEST - 1] = u8::from(known.is_plain);
        entry[ENTRY - DIGEST..].copy_from_slice(&known.digest);
        write(&entry)?;
    }
    output.write_all(&hasher.finalize())?;
    output.flush()
}

fn decode(bytes: &[u8]) -> Option<Vec<(Mark, Known)>> {
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Sha256::digest(content)[..] != *digest {
        return None;
    }
    let entries = content.strip_prefix(MAGIC)?.chunks_exact(ENTRY);
    let number = |entry: &[u8], at: usize| {
        let field = entry.get(at * 8..at * 8 + 8).and_then(|field| field.try_into().ok());
        u64::from_le_bytes(field.unwrap_or_default())
    };
    let entry = |entry: &[u8]| {
        let mark = Mark {
            inode: number(entry, 0),
            device: number(entry, 1),
            size: number(entry, 2),
            modified: number(entry, 3).cast_signed(),
            changed: number(entry, 4).cast_signed(),
        };
        let digest = entry[ENTRY - DIGEST..].try_into().ok()?;
        Some((mark, Known { digest, is_plain: entry[40] == 1 }))
    };
    entries.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    fn mark(inode: u64, changed: i64) -> Mark {
        Mark { device: 1, inode, size: 3, modified: 4, changed }
    }

    fn known(byte: u8) -> Known {
        Known { digest: [byte; 32], is_plain: byte == 1 }
    }

    fn hashes(file: PathBuf) -> Hashes {
        let now = Timestamp { seconds: 100, nanos: 0 };
        let known = fs::read(&file).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        let state = Mutex::new(State::of(known));
        Hashes { file, device: 1, is_kept: true, now, state }
    }

    #[test]
    fn what_was_learned_is_known_the_next_time() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("deep/x");
        let first = hashes(file.clone());
        assert_eq!(first.find(&mark(7, 5)), None);
        first.learn(mark(7, 5), known(1));
        first.learn(mark(8, 5), known(2));
        first.save().unwrap();
        let second = hashes(file.clone());
        assert_eq!(
            (second.find(&mark(7, 5)), second.find(&mark(8, 5))),
            (Some(known(1)), Some(known(2)))
        );
        assert_eq!(second.find(&mark(7, 6)), None, "it has changed");
        second.learn(mark(7, 6), known(3));
        second.save().unwrap();
        let third = hashes(file);
        assert_eq!((third.find(&mark(7, 5)), third.find(&mark(7, 6))), (None, Some(known(3))));
    }

    #[test]
    fn what_has_just_changed_is_not_remembered() {
        let temp = tempfile::tempdir().unwrap();
        let hashes = hashes(temp.path().join("x"));
        hashes.learn(mark(7, 99_500_000_000), known(1));
        assert_eq!(hashes.find(&mark(7, 99_500_000_000)), None);
        let other = Mark { device: 2, ..mark(8, 5) };
        hashes.learn(other, known(1));
        assert_eq!(hashes.find(&other), None, "on another file system");
    }

    #[test]
    fn where_there_are_many_what_was_not_met_goes() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("x");
        let first = hashes(file.clone());
        (0..9).for_each(|inode| first.learn(mark(inode, 5), known(1)));
        first.save().unwrap();
        let second = hashes(file);
        assert!(second.find(&mark(3, 5)).is_some());
        second.learn(mark(9, 5), known(2));
        let stay = |many| {
            let mut all = second.state().merged(many);
            all.sort_by_key(|(mark, _)| mark.inode);
            all.into_iter().map(|(mark, _)| mark.inode).collect::<Vec<_>>()
        };
        assert_eq!(stay(9), [3, 9]);
        assert_eq!(stay(10), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_torn_counts_as_empty() {
        let mut bytes = Vec::new();
        encode(&[(mark(7, 5), known(1)), (mark(8, 5), known(2))], &mut bytes).unwrap();
        assert_eq!(decode(&bytes).unwrap().len(), 2);
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
        let mut damaged = bytes;
        damaged[60] ^= 1;
        assert_eq!(decode(&damaged), None);
    }

    #[test]
    fn marks_change_with_content() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let look = || Mark::of(&fstat(File::open(&path).unwrap()).unwrap());
        fs::write(&path, "one").unwrap();
        let before = look();
        // The kernel's times turn with its clock's ticks.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while look() == before {
            assert!(std::time::Instant::now() < deadline, "a write leaves no mark");
            fs::write(&path, "two").unwrap();
        }
        let root = File::open("/proc").unwrap();
        let now = Timestamp { seconds: 0, nanos: 0 };
        let hashes = Hashes::open(root.as_fd(), temp.path(), now).unwrap();
        assert!(!hashes.is_settled(&mark(1, 1)), "nobody knows who writes these");
    }
}

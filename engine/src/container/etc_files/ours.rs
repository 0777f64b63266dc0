//! Files that are written anew only as long as they say what we wrote. A journal beside them holds a hash of each text, and is written
//! first: whoever dies in between leaves a file that is known either way.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Result;
use crate::error::Error;

/// The journal: a line for each text that was written, with the file's name and the hash.
const JOURNAL: &str = "etc.written";
/// One that is longer begins anew.
const LONG_JOURNAL: u64 = 16 << 10;
/// None of our files is longer; what is belongs to somebody else.
const MOST_BYTES: u64 = 1 << 20;

/// A folder of such files.
pub(super) struct Folder<'a> {
    dir: &'a Path,
}

impl<'a> Folder<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    /// Writes those files whose text has changed and that nobody else has changed.
    pub(super) fn put(&self, files: &[(&str, &str)]) -> Result<()> {
        let known = self.journal()?;
        let is_known = |line: &String| known.lines().any(|it| it == line);
        let mut changed = Vec::new();
        for (name, text) in files {
            match self.read(name)? {
                Some(now) if now == text.as_bytes() && is_known(&line(name, &now)) => {}
                // Without a journal, the files are an earlier version's.
                Some(now) if !known.is_empty() && !is_known(&line(name, &now)) => {}
                now => changed.push((*name, *text, now)),
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.note(&changed, known.len() as u64 > LONG_JOURNAL)?;
        for (name, text, _) in changed {
            self.write(name, text)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn journal(&self) -> Result<String> {
        let path = self.path(JOURNAL);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            result => result.map_err(Error::file("read", path)),
        }
    }

    /// What a file says; nothing when it is not there. Of a long one a part, which is not what we wrote.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }

    /// Notes what the files will say. One that begins anew notes what they say now, too.
    fn note(&self, changed: &[(&str, &str, Option<Vec<u8>>)], anew: bool) -> Result<()> {
        // A line that a crash cut is ended by the first break.
        let mut lines = vec![String::new()];
        for (name, text, now) in changed {
            if let Some(now) = now {
                lines.push(line(name, now));
            }
            lines.push(line(name, text.as_bytes()));
        }
        let path = self.path(JOURNAL);
        if anew {
            // Files that don't change now are known by what they say.
            for name in ["hosts", "resolv.conf", "hostname"] {
                if changed.iter().all(|(other, ..)| *other != name)
                    && let Some(now) = self.read(name)?
                    && self.journal()?.lines().any(|it| it == line(name, &now))
                {
                    lines.push(line(name, &now));
                }
            }
            let new = self.path("etc.written.new");
            return fs::write(&new, lines.join("\n") + "\n")
                .and_then(|()| fs::rename(&new, &path))
                .map_err(Error::file("write", path));
        }
        let file = OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all((lines.join("\n") + "\n").as_bytes()))
            .map_err(Error::file("write", path))
    }

    /// In place, for the file is mounted as it is; the rest of a longer one goes last, so that no reader sees an empty one.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let written = file.and_then(|file| {
            file.write_all_at(text.as_bytes(), 0)?;
            file.set_len(text.len() as u64)
        });
        written.map_err(Error::file("write", path))
    }
}

fn line(name: &str, text: &[u8]) -> String {
    let mut line = format!("{name} ");
    for byte in Sha256::digest(text) {
        write!(line, "{byte:02x}").unwrap_or_else(|_| unreachable!("a string takes every text"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_changed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::new(folder.path());
        let says = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        files.put(&[("hosts", "one\n"), ("resolv.conf", "a\n")]).unwrap();
        files.put(&[("hosts", "two, longer\n"), ("resolv.conf", "a\n")]).unwrap();
        files.put(&[("hosts", "3\n")]).unwrap();
        assert_eq!((says("hosts"), says("resolv.conf")), ("3\n".into(), "a\n".into()));
        fs::write(folder.path().join("hosts"), "3\nmine\n").unwrap();
        files.put(&[("hosts", "four\n"), ("resolv.conf", "b\n")]).unwrap();
        assert_eq!((says("hosts"), says("resolv.conf")), ("3\nmine\n".into(), "b\n".into()));
        // The user takes his change back.
        fs::write(folder.path().join("hosts"), "3\n").unwrap();
        files.put(&[("hosts", "five\n")]).unwrap();
        assert_eq!(says("hosts"), "five\n");
    }

    #[test]
    fn a_crash_between_journal_and_file_leaves_a_file_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::new(folder.path());
        files.put(&[("hosts", "one\n")]).unwrap();
        let now = files.read("hosts").unwrap();
        files.note(&[("hosts", "two\n", now)], false).unwrap();
        // And a line that was cut.
        let journal = folder.path().join(JOURNAL);
        let text = fs::read_to_string(&journal).unwrap() + "hosts 12";
        fs::write(&journal, text).unwrap();
        files.put(&[("hosts", "three\n")]).unwrap();
        files.put(&[("hosts", "four\n")]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("hosts")).unwrap(), "four\n");
    }

    #[test]
    fn the_journal_stays_short_and_the_inode_the_same() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::new(folder.path());
        files.put(&[("hosts", "0"), ("resolv.conf", "a")]).unwrap();
        let hosts = folder.path().join("hosts");
        let inode = fs::metadata(&hosts).unwrap().ino();
        for number in 1..400 {
            files.put(&[("hosts", &number.to_string())]).unwrap();
        }
        assert_eq!(fs::read_to_string(&hosts).unwrap(), "399");
        assert_eq!(fs::metadata(&hosts).unwrap().ino(), inode);
        assert!(fs::metadata(folder.path().join(JOURNAL)).unwrap().len() < 2 * LONG_JOURNAL);
        files.put(&[("resolv.conf", "b")]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("resolv.conf")).unwrap(), "b");
    }

    #[test]
    fn files_of_an_earlier_version_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hosts"), "old").unwrap();
        Folder::new(folder.path()).put(&[("hosts", "new")]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("hosts")).unwrap(), "new");
    }
}

//! Filters compiled earlier, kept in a directory by the hash of their profile. Only a convenience: whatever is wrong with it, the filter
//! is compiled.
//!
//! A file holds the whole profile besides the program, so that a hash that two profiles share does no harm; the compiler's version, so
//! that an older one's output is not used; and a sum, so that a damaged file is not either. Directory and files must belong to the
//! caller alone. Nothing of it depends on the kernel.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use gantry_oci::runtime::Seccomp;
use rustix::fs::{Mode, OFlags};

use super::Filter;

/// Larger profiles are compiled every time.
const PROFILE_LIMIT_BYTES: usize = 256 << 10;
/// Above the longest program, with flags and sum.
const PROGRAM_LIMIT_BYTES: usize = 64 << 10;
/// When there are so many files all of them go: a machine has a handful of profiles.
const FILES_LIMIT: usize = 64;
const MAGIC: &[u8] = b"gantry filter 1\n";

/// The place of one profile's filter.
pub(super) struct Place<'a> {
    directory: &'a Path,
    /// What the file must begin with.
    head: Vec<u8>,
    name: String,
}

impl<'a> Place<'a> {
    /// `None` for a profile that is too large.
    pub(super) fn of(profile: &Seccomp, directory: &'a Path) -> Option<Self> {
        let text = serde_json::to_vec(profile).ok()?;
        if text.len() > PROFILE_LIMIT_BYTES {
            return None;
        }
        let length = u32::try_from(text.len()).ok()?;
        let version = gantry_seccomp::COMPILER_VERSION;
        let head = [MAGIC, &version.to_ne_bytes(), &length.to_ne_bytes(), text.as_slice()].concat();
        let name = format!("{:016x}", sum(&head));
        Some(Self { directory, head, name })
    }

    pub(super) fn find(&self) -> Option<Filter> {
        self.check_directory().ok()?;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = File::options();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let file = options.open(self.directory.join(&self.name)).ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || !is_private(&found) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.head.len() + PROGRAM_LIMIT_BYTES / 4);
        let limit = self.head.len() + PROGRAM_LIMIT_BYTES;
        file.take(limit as u64).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(self.head.as_slice())?;
        let (program, kept_sum) = rest.split_last_chunk::<8>()?;
        let good = u64::from_ne_bytes(*kept_sum) == sum(program);
        good.then(|| Filter::decode(program).ok()).flatten()
    }

    /// Writes beside the name and renames: a reader finds all or nothing.
    pub(super) fn keep(&self, filter: &Filter) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => self.check_directory()?,
        }
        self.make_room()?;
        let program = filter.encode();
        let new = self.directory.join(format!("new-{}-{}", gantry_sys::process::pid(), self.name));
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
        let bytes = [self.head.as_slice(), &program, &sum(&program).to_ne_bytes()].concat();
        file.write_all(&bytes)
            .and_then(|()| fs::rename(&new, self.directory.join(&self.name)))
            .inspect_err(|_| drop(fs::remove_file(&new)))
    }

    fn check_directory(&self) -> io::Result<()> {
        let found = fs::symlink_metadata(self.directory)?;
        if found.is_dir() && is_private(&found) {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    fn make_room(&self) -> io::Result<()> {
        let entries: Vec<_> = fs::read_dir(self.directory)?.flatten().collect();
        if entries.len() >= FILES_LIMIT {
            for entry in entries {
                drop(fs::remove_file(entry.path()));
            }
        }
        Ok(())
    }
}

/// Nobody else may have written it.
fn is_private(found: &fs::Metadata) -> bool {
    let others = Mode::RWXG | Mode::RWXO;
    let is_closed = !Mode::from_raw_mode(found.mode()).intersects(others);
    found.uid() == rustix::process::geteuid().as_raw() && is_closed
}

/// FNV-1a. Against damage, not against people: those cannot write here.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use serde_json::json;

    use super::*;

    fn profile(call: &str) -> Seccomp {
        serde_json::from_value(json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": [call], "action": "SCMP_ACT_ALLOW"}],
        }))
        .unwrap()
    }

    fn files(directory: &Path) -> Vec<std::path::PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_filter_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("filters");
        let (read, write) = (profile("read"), profile("write"));
        let filter = Filter::compile(&read).unwrap();
        let place = Place::of(&read, &directory).unwrap();
        assert_eq!(place.find(), None);
        place.keep(&filter).unwrap();
        assert_eq!(place.find(), Some(filter.clone()));
        assert_eq!(Place::of(&write, &directory).unwrap().find(), None);
        assert_eq!(Filter::cached(&read, Some(&directory)).unwrap(), filter);
        assert_ne!(Filter::cached(&write, Some(&directory)).unwrap(), filter);
        assert_eq!(files(&directory).len(), 2);
    }

    #[test]
    fn what_is_damaged_or_not_ours_is_compiled_anew() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("filters");
        let profile = profile("read");
        let filter = Filter::cached(&profile, Some(&directory)).unwrap();
        let [path] = &files(&directory)[..] else { panic!("one file") };
        let good = fs::read(path).unwrap();
        let place = Place::of(&profile, &directory).unwrap();
        for at in [0, 20, good.len() / 2, good.len() - 20, good.len() - 1] {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            fs::write(path, &damaged).unwrap();
            assert_eq!(place.find(), None, "byte {at}");
            fs::write(path, &good[..at]).unwrap();
            assert_eq!(place.find(), None, "cut at {at}");
        }
        assert_eq!(Filter::cached(&profile, Some(&directory)).unwrap(), filter);
        assert_eq!(fs::read(path).unwrap(), good, "it is written anew");
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(path, 0o644);
        assert_eq!(place.find(), None, "others may have read it, so others may have written it");
        set(path, 0o600);
        set(&directory, 0o755);
        assert_eq!(place.find(), None);
        assert!(place.keep(&filter).is_err());
        set(&directory, 0o700);
        fs::rename(path, dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), path).unwrap();
        assert_eq!(place.find(), None, "a link");
    }

    #[test]
    fn there_are_never_many() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("filters");
        for number in 0..FILES_LIMIT + 8 {
            drop(Filter::cached(&profile(&format!("call{number}")), Some(&directory)).unwrap());
        }
        assert_eq!(files(&directory).len(), 8);
    }
}

//! Filters compiled earlier, kept in a directory by the hash of their profile. Only a convenience: whatever is wrong with it, the filter
//! is compiled.
//!
//! A file holds the whole profile besides the program, so that a hash that two profiles share does no harm; the compiler's version, so
//! that an older one's output is not used; and a sum, so that a damaged file is not either. Directory and files must belong to the
//! caller alone; the directory is opened once, so that nobody who may rename it leads us to another, and nothing in it is removed but what
//! we name so. Nothing of it depends on the kernel.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_oci::runtime::Seccomp;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, mkdirat, open, openat, renameat, unlinkat,
};
use rustix::io::Errno;

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
        let directory = self.open_directory().ok()?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | NEVER_FOLLOW;
        let file = openat(&directory, &self.name, flags, Mode::empty()).ok()?;
        check_private(&file, FileType::RegularFile).ok()?;
        let file = File::from(file);
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
        match mkdirat(CWD, self.directory, Mode::RWXU) {
            Err(Errno::EXIST) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
        let directory = self.open_directory()?;
        make_room(&directory)?;
        let program = filter.encode();
        let new = format!("{NEW}{}-{}", gantry_sys::process::pid(), self.name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | NEVER_FOLLOW;
        let mut file = File::from(openat(&directory, &new, flags, Mode::RUSR | Mode::WUSR)?);
        let bytes = [self.head.as_slice(), &program, &sum(&program).to_ne_bytes()].concat();
        file.write_all(&bytes)
            .and_then(|()| Ok(renameat(&directory, &new, &directory, &self.name)?))
            .inspect_err(|_| _ = unlinkat(&directory, &new, AtFlags::empty()))
    }

    fn open_directory(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | NEVER_FOLLOW;
        let directory = open(self.directory, flags, Mode::empty())?;
        check_private(&directory, FileType::Directory)?;
        Ok(directory)
    }
}

const NEVER_FOLLOW: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
/// How files are called while they are written.
const NEW: &str = "new-";
/// Of a hash, which is a file's name.
const NAME_DIGITS: usize = 16;

fn make_room(directory: &OwnedFd) -> io::Result<()> {
    let mut ours = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if is_our_name(entry.file_name().to_bytes()) {
            ours.push(entry.file_name().to_owned());
        }
    }
    if ours.len() >= FILES_LIMIT {
        for name in ours {
            // It may be gone by now.
            unlinkat(directory, name, AtFlags::empty()).ok();
        }
    }
    Ok(())
}

/// Whether we name files so. Who chose the directory may have chosen one in which there is something else.
fn is_our_name(name: &[u8]) -> bool {
    let is_hash = |name: &[u8]| {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        name.len() == NAME_DIGITS && name.iter().all(is_digit)
    };
    let Some(rest) = name.strip_prefix(NEW.as_bytes()) else { return is_hash(name) };
    let mut parts = rest.splitn(2, |byte| *byte == b'-');
    let is_pid = |pid: &[u8]| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(is_pid) && parts.next().is_some_and(is_hash)
}

/// Nobody else may have written it.
fn check_private(opened: impl AsFd, kind: FileType) -> io::Result<()> {
    let found = fstat(opened)?;
    let is_closed = !Mode::from_raw_mode(found.st_mode).intersects(Mode::RWXG | Mode::RWXO);
    let is_ours = found.st_uid == rustix::process::geteuid().as_raw();
    if FileType::from_raw_mode(found.st_mode) == kind && is_ours && is_closed {
        return Ok(());
    }
    Err(io::ErrorKind::PermissionDenied.into())
}

/// FNV-1a. Against damage, not against people: those cannot write here.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

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

    #[test]
    fn nothing_is_removed_but_what_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("filters");
        fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let of_others = ["key.pem", "new-", "new-1", "new-x-0123456789abcdef", "0123456789ABCDEF"];
        for name in of_others {
            fs::write(directory.join(name), "").unwrap();
        }
        for number in 0..FILES_LIMIT {
            fs::write(directory.join(format!("notes-{number}")), "").unwrap();
        }
        for number in 1..FILES_LIMIT {
            fs::write(directory.join(format!("{number:016x}")), "").unwrap();
        }
        fs::write(directory.join("new-77-0123456789abcdef"), "").unwrap();
        drop(Filter::cached(&profile("read"), Some(&directory)).unwrap());
        assert_eq!(files(&directory).len(), of_others.len() + FILES_LIMIT + 1);
        assert!(of_others.iter().all(|name| directory.join(name).exists()));
    }

    #[test]
    fn a_link_to_a_directory_of_ours_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (private, link) = (dir.path().join("private"), dir.path().join("filters"));
        fs::DirBuilder::new().mode(0o700).create(&private).unwrap();
        symlink(&private, &link).unwrap();
        drop(Filter::cached(&profile("read"), Some(&link)).unwrap());
        assert_eq!(files(&private).len(), 0);
    }
}

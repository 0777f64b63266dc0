//! A folder for a daemon on another machine, which has its files as the last build left them: it is told what the folder has now, and
//! is sent what it does not have.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::build::listing::{self, Listed, Mark, UNSETTLED};
use gantry_archive::{CreateOptions, Hashing, Whiteouts};
use gantry_client::Upload;
use gantry_sys::file_system::stamps_changes;
use gantry_types::{Algorithm, Digest};
use rustix::fs::statfs;

use super::folder::Folder;
use super::send::BUFFER_BYTES;
use super::{Context, Place};
use crate::commands::archive::Writing;
use crate::error::Error;

/// For so long after its change, a file may change again without a trace, in nanoseconds: clocks that stamp files are coarse, and some
/// are on other machines.
const UNSETTLED_NANOS: i128 = 2_000_000_000;

/// See the head of this file.
#[derive(Debug)]
pub(in crate::commands::build) struct Mirrored {
    /// What the daemon knows the folder by.
    pub(in crate::commands::build) name: String,
    folder: Folder,
    told: Mutex<Told>,
}

/// What the daemon was told.
#[derive(Debug, Default)]
struct Told {
    listed: Vec<Listed>,
    /// Paths that are not sent in any case.
    without: BTreeSet<Vec<u8>>,
}

impl Context {
    /// The folder, where that is the context.
    pub(in crate::commands::build) fn mirrored(&self) -> Result<Option<Mirrored>, Error> {
        let Place::Folder(folder) = &self.place else { return Ok(None) };
        let metadata = fs::metadata(&folder.path).map_err(Error::file("look at", &folder.path))?;
        let path = fs::canonicalize(&folder.path).map_err(Error::file("find", &folder.path))?;
        // Many clients build with one daemon: each of their folders is another one.
        let machine = fs::read("/etc/machine-id").unwrap_or_default();
        let host = rustix::system::uname().nodename().to_bytes().to_vec();
        let user = rustix::process::geteuid().as_raw().to_be_bytes();
        let place = [metadata.dev().to_be_bytes(), metadata.ino().to_be_bytes()].concat();
        let parts = [&machine[..], &host, &user, &place, path.as_os_str().as_bytes()];
        let name = digest(&parts.join(&0)).hex().to_owned();
        Ok(Some(Mirrored { name, folder: folder.clone(), told: Mutex::default() }))
    }
}

impl Mirrored {
    /// What the folder has now, as the daemon is told it.
    pub(in crate::commands::build) fn list(&self) -> Result<Vec<u8>, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
        let without = self.folder.left_out()?;
        let mut all = Vec::new();
        let mut pending = vec![PathBuf::new()];
        let mut devices = Devices::default();
        while let Some(folder) = pending.pop() {
            let place = self.folder.path.join(&folder);
            for entry in fs::read_dir(&place).map_err(Error::file("read", &place))? {
                let entry = entry.map_err(Error::file("read", &place))?;
                let path = folder.join(entry.file_name());
                let bytes = path.as_os_str().as_bytes();
                if without.contains(bytes) {
                    continue;
                }
                let found = match entry.metadata() {
                    // One that vanished meanwhile was never there.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    found => found.map_err(Error::file("look at", &path))?,
                };
                // Archives have no sockets.
                if found.file_type().is_socket() {
                    continue;
                }
                let is_directory = found.is_dir();
                // A link lies where its folder does, and leads elsewhere.
                let at = if found.is_symlink() { place.clone() } else { entry.path() };
                let is_told = devices.tell_changes(found.dev(), &at);
                let mark = if is_told { mark(&found, now) } else { UNSETTLED };
                all.push(Listed { path: bytes.to_vec(), is_directory, mark });
                if is_directory {
                    pending.push(path);
                }
            }
        }
        all.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let bytes = listing::encode(&all);
        *self.told() = Told { listed: all, without };
        Ok(bytes)
    }

    /// An archive of the entries that the daemon does not have, by a bit for each, with the directories above them.
    pub(in crate::commands::build) fn send(
        &self,
        missing: &str,
    ) -> Result<(Upload, Writing), Error> {
        let bits = STANDARD.decode(missing);
        let bits = bits.map_err(|_| Error::refused("the daemon asks for what cannot be read"))?;
        let is_missing =
            |number: usize| bits.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1);
        let told = self.told();
        let mut wanted: HashSet<&[u8]> = HashSet::new();
        for (number, entry) in told.listed.iter().enumerate() {
            let mut path = &entry.path[..];
            while is_missing(number) && wanted.insert(path) {
                let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { break };
                path = &path[..slash];
            }
        }
        let mut without = told.without.clone();
        let others = told.listed.iter().filter(|entry| !wanted.contains(&entry.path[..]));
        without.extend(others.map(|entry| entry.path.clone()));
        let root = self.folder.open()?;
        Writing::begin(move |writer| {
            let options = CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() };
            let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
            gantry_archive::create_without(root.as_fd(), writer, options, &without).map(drop)
        })
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether changes show on the devices that were met.
#[derive(Default)]
struct Devices(HashMap<u64, bool>);

impl Devices {
    /// Asks it of the device of what lies at `path`.
    fn tell_changes(&mut self, device: u64, path: &Path) -> bool {
        let ask = || statfs(path).is_ok_and(|found| stamps_changes(found.f_type));
        *self.0.entry(device).or_insert_with(ask)
    }
}

/// What changes with whatever changes at a path: the kernel stamps each change of an inode, and nobody can set that back.
fn mark(found: &Metadata, now: i128) -> Mark {
    let changed = i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec());
    if changed + UNSETTLED_NANOS > now {
        return UNSETTLED;
    }
    let owner = u64::from(found.uid()) << 32 | u64::from(found.gid());
    let numbers = [
        found.dev(),
        found.ino(),
        found.size(),
        found.mtime().cast_unsigned(),
        found.mtime_nsec().cast_unsigned(),
        found.ctime().cast_unsigned(),
        found.ctime_nsec().cast_unsigned(),
        u64::from(found.mode()),
        owner,
        found.rdev(),
    ];
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    let number = u128::from_str_radix(&digest(&bytes).hex()[..32], 16);
    // The digits are hexadecimal.
    number.map_or(UNSETTLED, u128::to_be_bytes)
}

fn digest(bytes: &[u8]) -> Digest {
    let mut hashing = Hashing::new(bytes, Algorithm::Sha256);
    // What is in memory can be read, and nowhere takes all.
    io::copy(&mut hashing, &mut io::sink()).unwrap_or_default();
    hashing.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_whose_stamps_say_nothing_are_always_sent() {
        let mut devices = Devices::default();
        let device = |path: &str| fs::metadata(path).unwrap().dev();
        assert!(!devices.tell_changes(device("/proc"), Path::new("/proc")));
        let shm = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = shm.path();
        assert!(devices.tell_changes(fs::metadata(path).unwrap().dev(), path));
    }
}

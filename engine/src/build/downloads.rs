//! Files that builds fetch from the web: kept on the disk, by what was fetched, and asked for again by what their servers know them by.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gantry_build::Download;
use gantry_registry_client::Validators;
use gantry_types::{ContainerId, Digest, Timestamp, without_password};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::workshop::of_engine;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, random};

/// The folder of files from the web, below the data root.
const FOLDER: &str = "build-sources/web";
/// How names of files begin that are not whole yet.
const PART: &str = "part-";
/// The most bytes of one file.
const MAX_BYTES: u64 = 20 << 30;
/// The most bytes of all files that are kept; of more, those that nobody used for longest go.
const MAX_KEPT_BYTES: u64 = 20 << 30;
const PIECE: usize = 256 << 10;

/// What is known of an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    digest: Digest,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    modified: Option<String>,
}

/// Fetches a file, or finds that the one which is here already is still the server's. With a digest, no server is asked for a file
/// of that digest that is here.
pub(super) fn download(
    engine: &Engine,
    url: &str,
    digest: Option<&Digest>,
    wanted: &dyn Fn() -> gantry_build::Result<()>,
) -> gantry_build::Result<Download> {
    let folder = engine.settings.data_root.join(FOLDER);
    let made = fs::create_dir_all(&folder).map_err(Error::file("create directory", &folder));
    made.map_err(of_engine)?;
    let about = folder.join(format!("{}.json", random::hex(&Sha256::digest(url))));
    let known = read(&about);
    if let Some(digest) = digest
        && let Some(file) = open(&folder, digest)
    {
        let known = known.filter(|known| known.digest == *digest);
        let modified = known.and_then(|known| known.modified).as_deref().and_then(moment);
        return Ok(Download { file, digest: digest.clone(), modified });
    }
    let known = known.filter(|known| open(&folder, &known.digest).is_some());
    let registries = engine.live.registries();
    let answer = match &known {
        None => registries.download(url).map(Some),
        Some(Known { tag, modified, .. }) => {
            let validators = Validators { tag: tag.clone(), modified: modified.clone() };
            registries.download_unless(url, &validators)
        }
    };
    let answer = answer.map_err(|error| of_engine(error.into()))?;
    let known = match (answer, known) {
        (Some(body), _) => {
            let known = take(&folder, (url, body), wanted)?;
            write(&about, &known).map_err(of_engine)?;
            tidy(&folder, &known.digest);
            known
        }
        (None, Some(known)) => known,
        (None, None) => return Err(of_engine(gone(url))),
    };
    let file = open(&folder, &known.digest).ok_or_else(|| of_engine(gone(url)))?;
    let modified = known.modified.as_deref().and_then(moment);
    Ok(Download { file, digest: known.digest, modified })
}

fn gone(url: &str) -> Error {
    let url = without_password(url);
    Error::invalid(format!("what was fetched from {url} is not there any more: build again"))
}

fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::of_http_date(text)
}

/// Takes a file in.
fn take(
    folder: &Path,
    (url, mut body): (&str, gantry_registry_client::Download),
    wanted: &dyn Fn() -> gantry_build::Result<()>,
) -> gantry_build::Result<Known> {
    let name = ContainerId::from_bytes(random::bytes().map_err(of_engine)?);
    let part = Part(folder.join(format!("{PART}{}", name.as_str())));
    let failed = || Error::file("write", &part.0);
    let too_large = || gantry_build::Error::Limit {
        what: "the number of bytes of a file from the web",
        limit: MAX_BYTES,
    };
    if body.size_bytes.is_some_and(|size| size > MAX_BYTES) {
        return Err(too_large());
    }
    let mut file = File::create_new(&part.0).map_err(|error| of_engine(failed()(error)))?;
    let (mut hasher, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        wanted()?;
        let count = body.read(&mut piece).map_err(|error| {
            let url = without_password(url);
            of_engine(Error::invalid(format!("cannot fetch {url}: it broke off: {error}")))
        })?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        if bytes > MAX_BYTES {
            return Err(too_large());
        }
        hasher.update(&piece[..count]);
        file.write_all(&piece[..count]).map_err(|error| of_engine(failed()(error)))?;
    }
    if body.size_bytes.is_some_and(|size| size != bytes) {
        let url = without_password(url);
        let error = Error::invalid(format!("cannot fetch {url}: it ended after {bytes} bytes"));
        return Err(of_engine(error));
    }
    let digest = Digest::sha256(hasher.finalize().into());
    let place = folder.join(digest.hex());
    // What has a digest for a name is never read for it again: it has to be whole after a power cut, too.
    file.sync_data().map_err(|error| of_engine(failed()(error)))?;
    fs::rename(&part.0, &place).map_err(|error| of_engine(failed()(error)))?;
    let Validators { tag, modified } = body.validators;
    Ok(Known { digest, tag, modified })
}

/// A file that goes unless it was renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Renamed, or never made.
        drop(fs::remove_file(&self.0));
    }
}

fn open(folder: &Path, digest: &Digest) -> Option<File> {
    let file = File::open(folder.join(digest.hex())).ok()?;
    // Used now: who is used goes last.
    drop(file.set_modified(SystemTime::now()));
    Some(file)
}

fn read(path: &Path) -> Option<Known> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, known: &Known) -> Result<()> {
    let text = serde_json::to_vec(known).unwrap_or_default();
    let name = ContainerId::from_bytes(random::bytes()?);
    let part = Part(path.with_file_name(format!("{PART}{}", name.as_str())));
    fs::write(&part.0, text).map_err(Error::file("write", &part.0))?;
    fs::rename(&part.0, path).map_err(Error::file("write", path))
}

/// Takes away what nobody used for longest, where all is too much. `kept` stays, and so do parts, which other builds are writing.
fn tidy(folder: &Path, kept: &Digest) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            if is_part(&entry) {
                return None;
            }
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .filter(|(_, _, path)| !path.ends_with(kept.hex()))
        .collect();
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if bytes <= MAX_KEPT_BYTES {
            break;
        }
        // Whoever has it open goes on with it.
        drop(fs::remove_file(&path));
        bytes = bytes.saturating_sub(length);
    }
}

/// Takes away all that was fetched; how many bytes it was.
pub(super) fn prune(engine: &Engine) -> u64 {
    let folder = engine.settings.data_root.join(FOLDER);
    let mut bytes = 0;
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let length = entry.metadata().map_or(0, |metadata| metadata.len());
        // Parts belong to builds that go on.
        if !is_part(&entry) && fs::remove_file(entry.path()).is_ok() {
            bytes += length;
        }
    }
    bytes
}

fn is_part(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(PART)
}

/// After a start: parts of files go.
pub(super) fn reconcile(engine: &Engine) {
    let folder = engine.settings.data_root.join(FOLDER);
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if is_part(&entry) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

//! A cache mount's files, taken to another machine and back: as an archive with the mount's own directory in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantry_archive::{ApplyOptions, Limits, Merge, Whiteouts, decompress_any};
use rustix::fs::{CWD, RenameFlags, renameat, renameat_with};
use rustix::io::Errno;

use super::{COMING, FOLDER, fresh, name_of, records, remove_tree};
use crate::archive_stream::{self, Pieces};
use crate::engine::Engine;
use crate::error::Error;
use crate::{Result, image};

/// The files of a cache mount, by the id that builds call it by. No command has it meanwhile.
///
/// # Errors
/// There is none, or a command has it.
pub async fn export_mount(engine: &Engine, id: &str) -> Result<Pieces> {
    let (engine, id) = (engine.clone(), id.to_owned());
    archive_stream::start("cache-export", move |opening| {
        let name = records::find(&engine, &id);
        let name = name.ok_or_else(|| Error::NoCacheMount { id: id.clone() })?;
        let _taken = engine
            .build_caches
            .try_take_alone(&name)
            .ok_or_else(|| Error::CacheMountInUse { id })?;
        let path = engine.settings.data_root.join(FOLDER).join(name);
        let opened = File::open(&path).map_err(Error::file("open", &path))?;
        let created = gantry_archive::create_entry(
            opened.as_fd(),
            b".",
            b".",
            &BTreeSet::new(),
            opening.begin(),
        );
        created.map(drop).map_err(|error| Error::Build(gantry_build::Error::Archive(error)))
    })
    .await
}

/// Makes a cache mount of an archive, plain or compressed, in the place of the one of that id. Whole or not at all.
///
/// # Errors
/// The archive cannot be read, or a command has the mount.
pub async fn import_mount(
    engine: &Engine,
    id: &str,
    archive: impl Read + Send + 'static,
) -> Result<()> {
    if id.is_empty() {
        return Err(Error::invalid("a cache mount needs an id: say which one it becomes"));
    }
    let (engine, id) = (engine.clone(), id.to_owned());
    image::intake(move || {
        let root = engine.settings.data_root.join(FOLDER);
        let (name, going) = (name_of(&id), fresh(COMING)?);
        let new = root.join(&going);
        let failed = || Error::file("create directory", &new);
        fs::create_dir_all(&new).map_err(failed())?;
        let rights = PermissionsExt::from_mode(0o755);
        let filled = fs::set_permissions(&new, rights)
            .map_err(failed())
            .and_then(|()| fill(&new, archive))
            .and_then(|()| take_place(&engine, (&id, &name), &going));
        if filled.is_err() {
            drop(remove_tree(&root, &going));
        }
        filled
    })
    .await
}

fn fill(folder: &Path, archive: impl Read + Send) -> Result<()> {
    let failed = |error| Error::Build(gantry_build::Error::Archive(error));
    let opened = File::open(folder).map_err(Error::file("open", folder))?;
    let limits = Limits::default();
    let mut plain = decompress_any(archive, &limits).map_err(failed)?;
    let options = ApplyOptions {
        limits: limits.clone(),
        whiteouts: Whiteouts::Plain,
        merge: Merge { kinds_stay: true, ..Merge::default() },
        ..ApplyOptions::default()
    };
    gantry_archive::apply(&mut plain, opened.as_fd(), &options).map(drop).map_err(failed)
}

/// Puts what has come in whole in the place of what is there.
fn take_place(engine: &Engine, (id, name): (&str, &str), new: &str) -> Result<()> {
    let root = engine.settings.data_root.join(FOLDER);
    let taken = engine.build_caches.try_take_alone(name);
    let _taken = taken.ok_or_else(|| Error::CacheMountInUse { id: id.to_owned() })?;
    exchange(&root.join(new), &root.join(name))?;
    records::touch(engine, id, name)?;
    remove_tree(&root, new)
}

/// In one step, so that there is one or the other: what was there is at `new` then, among what a start removes.
fn exchange(new: &Path, place: &Path) -> Result<()> {
    let renamed = match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Err(Errno::NOENT) => renameat(CWD, new, CWD, place),
        exchanged => exchanged,
    };
    renamed.map_err(|error| Error::file("rename", new)(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_is_always_there() {
        let root = tempfile::tempdir().unwrap();
        let (new, place) = (root.path().join("new"), root.path().join("place"));
        fs::create_dir_all(new.join("first")).unwrap();
        exchange(&new, &place).unwrap();
        assert!(place.join("first").exists() && !new.exists());
        fs::create_dir_all(new.join("second")).unwrap();
        exchange(&new, &place).unwrap();
        assert!(place.join("second").exists() && new.join("first").exists());
        fs::remove_dir_all(&new).unwrap();
        exchange(&new, &place).unwrap_err();
        assert!(place.join("second").exists());
    }
}

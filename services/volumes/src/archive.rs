//! A volume's files as an archive, and a volume of an archive's files.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use gantry_archive::{ApplyOptions, CreateOptions as ArchiveOptions, Whiteouts};
use gantry_types::Timestamp;

use crate::{CreateOptions, Error, Result, Volume, VolumeName, Volumes, dirs};

impl Volumes {
    /// Writes a volume's files as an uncompressed archive. `begin` gives the receiver once all that can be checked is.
    ///
    /// # Errors
    /// There is no such volume, its files cannot be read, or the receiver fails.
    pub fn export<W: Write>(&self, name: &str, begin: impl FnOnce() -> W) -> Result<()> {
        let mut pins = self.pins();
        let volume = self.pin_existing(name, &mut pins)?;
        if !volume.is_local() {
            return Err(Error::NotLocal(volume.name));
        }
        let held = self.hold(&volume.name)?;
        let dir = dirs::open_dir(held.path())?;
        let options = ArchiveOptions { whiteouts: Whiteouts::Plain, ..ArchiveOptions::default() };
        gantry_archive::create(dir.as_fd(), begin(), options).map(drop).map_err(|source| {
            Error::Files { action: "export", volume: volume.name.clone(), source }
        })
    }

    /// Makes a new volume of an archive, which may be compressed.
    ///
    /// # Errors
    /// Another volume has the name, or the archive cannot be extracted; nothing is left then.
    pub fn import(
        &self,
        name: &VolumeName,
        options: CreateOptions,
        now: Timestamp,
        archive: impl Read + Send,
    ) -> Result<Volume> {
        self.make_with(name, options, now, |volumes| {
            let failed = |source| Error::Files { action: "import", volume: name.clone(), source };
            let dir = volumes.dirs.open_data(name)?;
            let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
            let archive =
                gantry_archive::decompress_any(archive, &options.limits).map_err(failed)?;
            gantry_archive::apply(archive, dir.as_fd(), &options).map(drop).map_err(failed)
        })
    }
}

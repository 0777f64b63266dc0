//! How far a delivery came: one small file beside the log, written in place after each delivery. It is of one sector, so that a crash
//! leaves the old place or the new one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use gantry_logs::{LogReader, Position, ReadOptions};

use crate::record::ContainerRecord;
use crate::settings::Settings;

/// Its name in a container's directory.
pub(super) const FILE: &str = "delivered";
const BYTES: usize = 32;

/// The file.
#[derive(Debug)]
pub(super) struct Place {
    file: File,
    position: Position,
}

impl Place {
    /// Opens the file; one that is not there, or makes no sense, is the log's beginning.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(no_follow).open(path)?;
        let mut bytes = [0; BYTES];
        let position = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decode(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // A full disk is told of now, rather than each time that something was sent.
                file.write_all_at(&encode(Position::default()), 0)?;
                Position::default()
            }
            Err(error) => return Err(error),
        };
        Ok(Self { file, position })
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Everything before `position` is delivered.
    pub(super) fn store(&mut self, position: Position) -> io::Result<()> {
        self.file.write_all_at(&encode(position), 0)?;
        self.position = position;
        Ok(())
    }
}

/// Whether something in the log of a container is not delivered yet.
pub(super) fn has_rest(settings: &Settings, record: &ContainerRecord) -> bool {
    let dir = settings.container_dir(record.id.as_str());
    let Some(log) = &record.plan.log else { return false };
    let Ok(place) = Place::open(&dir.join(FILE)) else { return true };
    LogReader::open_at(&log.path(&dir), place.position(), &ReadOptions::default())
        .is_ok_and(|mut reader| reader.next().is_some())
}

fn encode(position: Position) -> [u8; BYTES] {
    let Position { file, offset, entries } = position;
    let mut bytes = [0; BYTES];
    let check = file ^ offset.rotate_left(17) ^ entries.rotate_left(34) ^ u64::MAX;
    for (place, number) in bytes.chunks_exact_mut(8).zip([file, offset, entries, check]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Option<Position> {
    let mut numbers = bytes.chunks_exact(8).map(|bytes| {
        let bytes: [u8; 8] = bytes.try_into().unwrap_or_default();
        u64::from_le_bytes(bytes)
    });
    let position =
        Position { file: numbers.next()?, offset: numbers.next()?, entries: numbers.next()? };
    (encode(position) == *bytes).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let position = Position { file: 3, offset: 1 << 40, entries: 7 };
        let mut place = Place::open(&path).unwrap();
        assert_eq!(place.position(), Position::default());
        place.store(position).unwrap();
        assert_eq!(Place::open(&path).unwrap().position(), position);
        std::fs::write(&path, [7; BYTES]).unwrap();
        assert_eq!(Place::open(&path).unwrap().position(), Position::default());
        std::fs::write(&path, "short").unwrap();
        assert_eq!(Place::open(&path).unwrap().position(), Position::default());
    }
}

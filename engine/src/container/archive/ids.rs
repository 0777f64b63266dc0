//! Archives into and out of a container with ids of its own: from outside, its files belong to the ids that it has on the host.

use std::io::{self, Read, Write};
use std::thread;

use gantry_archive::{Error as ArchiveError, Limits, Reader, Writer};

use crate::plan::UserNamespace;

/// Who files belong to that no id of the container has, as the kernel shows them.
const NOBODY: u32 = 65_534;

/// Which way an archive goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// Hands `archive` on to `work` with other ids.
pub(super) fn into_container<T: Send>(
    namespace: &UserNamespace,
    archive: impl Read + Send,
    work: impl FnOnce(io::PipeReader) -> Result<T, ArchiveError> + Send,
) -> Result<T, ArchiveError> {
    let (reader, writer) = io::pipe().map_err(|source| ArchiveError::Write { source })?;
    thread::scope(|scope| {
        let mapping = scope.spawn(|| relay(namespace, Way::In, archive, writer));
        let done = work(reader);
        match joined(mapping) {
            // What breaks off here breaks off there, too, and here is the reason.
            Err(error) if !matches!(error, ArchiveError::Write { .. }) => Err(error),
            _ => done,
        }
    })
}

/// Writes to `output` with other ids what `work` writes.
pub(super) fn out_of_container<T: Send>(
    namespace: &UserNamespace,
    output: impl Write + Send,
    work: impl FnOnce(io::PipeWriter) -> Result<T, ArchiveError>,
) -> Result<T, ArchiveError> {
    let (reader, writer) = io::pipe().map_err(|source| ArchiveError::Write { source })?;
    thread::scope(|scope| {
        let mapping = scope.spawn(|| relay(namespace, Way::Out, reader, output));
        let done = work(writer);
        match (joined(mapping), done) {
            // Whoever reads no further makes the writer fail, which is not the reason.
            (Err(error), Err(ArchiveError::Write { .. }) | Ok(_)) => Err(error),
            (_, done) => done,
        }
    })
}

fn joined(
    handle: thread::ScopedJoinHandle<'_, Result<(), ArchiveError>>,
) -> Result<(), ArchiveError> {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn relay(
    namespace: &UserNamespace,
    way: Way,
    archive: impl Read,
    output: impl Write,
) -> Result<(), ArchiveError> {
    let mut reader = Reader::new(archive, Limits::default());
    let mut writer = Writer::new(output);
    while let Some(mut entry) = reader.next_entry()? {
        let mut header = entry.take_header();
        header.uid = mapped(&namespace.users, way, header.uid);
        header.gid = mapped(&namespace.groups, way, header.gid);
        writer.append(&header, &mut entry)?;
    }
    writer.finish().map(drop)
}

/// An id of the other side; what has none there is nobody's.
fn mapped(ranges: &[(u32, u32)], way: Way, id: u32) -> u32 {
    let found = match way {
        Way::In => UserNamespace::on_host(ranges, id).or(UserNamespace::on_host(ranges, NOBODY)),
        Way::Out => UserNamespace::in_container(ranges, id),
    };
    found.unwrap_or(NOBODY)
}

/// User and group of a container's as the host has them.
pub(super) fn owner_on_host(namespace: &UserNamespace, (user, group): (u32, u32)) -> (u32, u32) {
    (mapped(&namespace.users, Way::In, user), mapped(&namespace.groups, Way::In, group))
}

#[cfg(test)]
mod tests {
    use gantry_archive::Header;

    use super::*;

    fn namespace() -> UserNamespace {
        UserNamespace { users: vec![(100_000, 65_536)], groups: vec![(200_000, 65_536)] }
    }

    fn archive(uid: u32, gid: u32) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        let header = Header { uid, gid, ..Header::file("file", 0o644) };
        writer.append_bytes(&header, b"content").unwrap();
        writer.append_header(&Header { uid, gid, ..Header::directory("dir", 0o755) }).unwrap();
        writer.finish().unwrap()
    }

    fn owners(bytes: &[u8]) -> Vec<(u32, u32, u64)> {
        let mut reader = Reader::new(bytes, Limits::default());
        let mut all = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let header = entry.header();
            all.push((header.uid, header.gid, header.size));
        }
        all
    }

    #[test]
    fn ids_change_and_contents_stay() {
        let read = |mut pipe: io::PipeReader| {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            Ok(bytes)
        };
        let inward = into_container(&namespace(), &archive(0, 1000)[..], read).unwrap();
        assert_eq!(owners(&inward), [(100_000, 201_000, 7), (100_000, 201_000, 0)]);
        let mut outward = Vec::new();
        let write = |mut pipe: io::PipeWriter| {
            pipe.write_all(&inward).map_err(|source| ArchiveError::Write { source })
        };
        out_of_container(&namespace(), &mut outward, write).unwrap();
        assert_eq!(owners(&outward), [(0, 1000, 7), (0, 1000, 0)]);
    }

    #[test]
    fn what_is_damaged_is_told() {
        let read = |mut pipe: io::PipeReader| {
            pipe.read_to_end(&mut Vec::new()).map_err(|source| ArchiveError::Write { source })
        };
        let whole = archive(0, 0);
        into_container(&namespace(), &whole[..600], read).unwrap_err();
    }

    #[test]
    fn strangers_are_nobody() {
        assert_eq!(owner_on_host(&namespace(), (70_000, 5)), (165_534, 200_005));
        assert_eq!(mapped(&namespace().users, Way::Out, 0), NOBODY);
    }
}

//! The files of an archive, read while they come in.

use std::io::Read;

use gantry_images::{LoadEvent, LoadWatch, Tap, TapReader, tap};

use crate::fixture::{Parts, docker_files, sha256, tar};
use crate::rig::Rig;

/// Reads every file as it comes in, and some of them only at their beginning.
#[derive(Default)]
struct Curious {
    current: Option<std::thread::JoinHandle<Vec<u8>>>,
    seen: Vec<(String, gantry_types::Digest, Vec<u8>)>,
}

impl LoadWatch for &mut Curious {
    fn event(&mut self, event: LoadEvent) {
        let LoadEvent::Read { path, digest, .. } = event else { return };
        let Some(reading) = self.current.take() else { return };
        self.seen.push((path, digest, reading.join().unwrap()));
    }

    fn begins(&mut self, path: &str, _: u64) -> Option<Tap> {
        let (tap, reader) = tap();
        let most = if is_document(path) { 3 } else { u64::MAX };
        let read = move |reader: TapReader| {
            let mut bytes = Vec::new();
            reader.take(most).read_to_end(&mut bytes).unwrap();
            bytes
        };
        self.current = Some(std::thread::spawn(move || read(reader)));
        Some(tap)
    }
}

#[test]
fn files_can_be_read_while_they_come_in() {
    let rig = Rig::new();
    let parts = Parts::new("web", 2);
    // More than a piece, and more than what goes through the cache in any case.
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut files = docker_files(&[(&parts, &["web"])]);
    files.push(("large".to_owned(), large.clone()));
    let archive = tar(&files);
    let mut curious = Curious::default();
    let loaded = rig.images().load(&archive[..], &mut curious).unwrap();
    assert_eq!(loaded[0].id.as_str(), parts.id());
    assert_eq!(curious.seen.len(), files.len());
    for (path, digest, bytes) in &curious.seen {
        let (_, content) = files.iter().find(|(name, _)| name == path).unwrap();
        assert_eq!(*digest, sha256(content), "{path}");
        let most = if is_document(path) { 3 } else { content.len() };
        assert!(*bytes == content[..most], "{path}");
    }
}

fn is_document(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension == "json")
}

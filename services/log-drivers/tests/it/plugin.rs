//! A plugin's fifo.

use crate::{message, piece};
use gantry_log_drivers::{Delivery, PluginEntries, decode_entry};
use gantry_types::ErrorKind;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    path
}

#[test]
fn entries_come_through_the_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let mut entries = PluginEntries::open(path.clone()).unwrap();
    let mut plugin = File::open(&path).unwrap();
    entries.hand_over().unwrap();
    let messages: Vec<_> = (0..50)
        .map(|number| piece(&vec![b'x'; 16 << 10], number + 1, number == 49))
        .chain([message(b"end")])
        .collect();
    let expected = messages.clone();
    let reading = thread::spawn(move || {
        let (mut bytes, mut block, mut found) = (Vec::new(), [0; 5000], Vec::new());
        while found.len() < expected.len() {
            let length = plugin.read(&mut block).unwrap();
            bytes.extend_from_slice(&block[..length]);
            while let Some(message) = decode_entry(&mut bytes).unwrap() {
                found.push(message);
            }
        }
        assert!(found == expected);
    });
    entries.deliver(&messages).unwrap();
    reading.join().unwrap();
}

#[test]
fn a_plugin_that_has_gone_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let mut entries = PluginEntries::open(path.clone()).unwrap();
    // It may open the fifo when it has answered already.
    let plugin = thread::spawn(move || File::open(&path).unwrap());
    entries.hand_over().unwrap();
    let plugin = plugin.join().unwrap();
    entries.deliver(&[message(b"one")]).unwrap();
    drop(plugin);
    // A process that another test is just making has a copy, until it executes its program.
    let failure = (0..100).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        entries.deliver(&[message(b"two")]).err()
    });
    let failure = failure.unwrap();
    assert_eq!((failure.delivered, failure.error.kind()), (0, ErrorKind::Unavailable));
}

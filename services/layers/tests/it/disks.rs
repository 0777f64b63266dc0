//! Stores on disks of their own: a full one, and roots that are mounts.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use gantry_archive::Header;
use gantry_layers::{Format, Splitting};
use gantry_types::ErrorKind;
use rustix::mount::mount_bind;

use crate::failures::in_private;
use crate::scene::{Layer, Mounted, dir, file, layer, open};

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An ext4 of 32 MiB at `place`. The loop device goes with the mount, and the mount with its namespace.
fn mount_disk(place: &Path) {
    let image = place.with_extension("disk");
    File::create(&image).unwrap().set_len(32 << 20).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
    run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(place));
}

fn archive(layer: &Layer) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&layer.tar).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Many names, so that its split takes room, too.
fn many_files() -> Layer {
    let names: Vec<String> = (0..2000).map(|number| format!("d/{number:x}-name")).collect();
    let content = "content".repeat(500);
    let mut entries = vec![(dir("d"), "")];
    entries.extend(names.iter().map(|name| (Header::file(&**name, 0o644), &*content)));
    layer(&entries)
}

/// Takes all room there is.
fn fill(path: &Path) {
    let mut filler = File::create(path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while filler.write_all(&vec![7; size]).and_then(|()| filler.sync_data()).is_ok() {}
    }
}

#[test]
fn a_full_disk_leaves_no_half_split() {
    in_private(|small| {
        mount_disk(small);
        let layers = open(small, Format::Erofs);
        let many = many_files();
        layers.apply(&many.diff_id, &[], &many.tar[..]).unwrap();
        layers.sync().unwrap();
        fill(&small.join("filler"));
        let error = layers.split(&many.diff_id, &archive(&many)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert_eq!(std::fs::read_dir(small.join("layers/ingest")).unwrap().count(), 0);
        assert!(layers.archives().open(&many.diff_id).unwrap().is_none());
        std::fs::remove_file(small.join("filler")).unwrap();
        assert_eq!(layers.split(&many.diff_id, &archive(&many)).unwrap(), Splitting::Done);
    });
}

#[test]
fn a_root_that_is_a_bind_mount_is_as_good_as_another() {
    in_private(|place| {
        let real = place.with_extension("real");
        std::fs::create_dir(&real).unwrap();
        mount_bind(&real, place).unwrap();
        let layers = open(place, Format::Erofs);
        let one = layer(&[(dir("d"), ""), (file("d/f"), "x")]);
        layers.apply(&one.diff_id, &[], &one.tar[..]).unwrap();
        layers.prepare("c1", std::slice::from_ref(&one.diff_id)).unwrap();
        let recipe = layers.recipe("c1", std::slice::from_ref(&one.diff_id)).unwrap();
        let mounted = Mounted::new(&recipe);
        assert_eq!(mounted.text("d/f"), "x");
        std::fs::write(mounted.path("d/g"), "written").unwrap();
        assert!(real.join("rw/c1/u/d/g").exists());
    });
}

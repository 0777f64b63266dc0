//! What is seen of images and containers: as layers, as changes, as a whole.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use gantry_archive::{CreateOptions, EntryKind, Limits, Reader, Whiteouts};
use gantry_layers::{ChangeKind, Error, Layers};
use gantry_types::Digest;

use crate::scene::{Mounted, Scene, apply_all, dir, file, in_both_formats, layer};

in_both_formats![
    an_image_is_seen_as_its_containers_find_it,
    what_a_container_wrote,
    a_container_that_goes_meanwhile_is_not_taken_for_whole,
];

fn image(layers: &Layers) -> Vec<Digest> {
    let below = layer(&[(dir("etc"), ""), (file("etc/a"), "a"), (file("etc/b"), "b")]);
    let above = layer(&[(dir("etc"), ""), (file("etc/.wh.b"), ""), (file("etc/c"), "c")]);
    apply_all(layers, &[below, above])
}

/// The paths in an archive; files with what is in them.
fn entries(archive: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(archive, Limits::default());
    let mut found = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let path = String::from_utf8(entry.header().path.clone()).unwrap();
        if entry.header().kind == EntryKind::File {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push(format!("{}={text}", path.trim_end_matches('/')));
        } else {
            found.push(path.trim_end_matches('/').to_owned());
        }
    }
    found
}

fn an_image_is_seen_as_its_containers_find_it(scene: &Scene) {
    let layers = scene.open();
    let chain = image(&layers);
    let root = layers.look_at_chain(&chain).unwrap();
    let mut archive = Vec::new();
    let options = CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() };
    gantry_archive::create(root.as_fd(), &mut archive, options).unwrap();
    assert_eq!(entries(&archive), ["etc", "etc/a=a", "etc/c=c"]);
    let nothing = layers.look_at_chain(&[]).unwrap();
    assert_eq!(rustix::fs::Dir::read_from(&nothing).unwrap().count(), 2);
}

fn what_a_container_wrote(scene: &Scene) {
    let layers = scene.open();
    let chain = image(&layers);
    layers.prepare("c1", &chain).unwrap();
    // While it runs, too: its overlay stays mounted meanwhile.
    let mounted = Mounted::new(&layers.recipe("c1", &chain).unwrap());
    std::fs::write(mounted.path("etc/a"), "changed").unwrap();
    std::fs::remove_file(mounted.path("etc/c")).unwrap();
    std::fs::create_dir_all(mounted.path("proc")).unwrap();
    std::fs::write(mounted.path("etc/hosts"), "").unwrap();
    symlink("/etc/shadow", mounted.path("link")).unwrap();
    let points = || ["/proc", "/etc/hosts"].map(str::as_bytes);

    let written = layers.look_at_written("c1", &chain, points()).unwrap();
    let changes = written.changes().unwrap();
    let changes: Vec<_> = changes
        .iter()
        .map(|change| (change.kind, std::str::from_utf8(&change.path).unwrap()))
        .collect();
    assert_eq!(
        changes,
        [
            (ChangeKind::Modified, "etc"),
            (ChangeKind::Modified, "etc/a"),
            (ChangeKind::Deleted, "etc/c"),
            (ChangeKind::Added, "link"),
        ]
    );
    let mut archive = Vec::new();
    written.archive(&mut archive).unwrap();
    assert_eq!(entries(&archive), ["etc", "etc/a=changed", "etc/.wh.c=", "link"]);
    let mut all = Vec::new();
    layers.look_at_container("c1", &chain).unwrap().archive(&mut all).unwrap();
    assert_eq!(entries(&all), ["etc", "etc/a=changed", "etc/hosts=", "link", "proc"]);
}

fn a_container_that_goes_meanwhile_is_not_taken_for_whole(scene: &Scene) {
    let layers = scene.open();
    let chain = image(&layers);
    layers.prepare("c1", &chain).unwrap();
    let written = layers.look_at_written("c1", &chain, []).unwrap();
    let whole = layers.look_at_container("c1", &chain).unwrap();
    layers.remove("c1").unwrap();
    let gone = |result| assert!(matches!(result, Err(Error::NoWritable { .. })), "{result:?}");
    gone(written.archive(std::io::sink()));
    gone(written.changes().map(drop));
    gone(whole.archive(std::io::sink()));
    // Another one of that id is another one.
    layers.prepare("c1", &chain).unwrap();
    gone(written.archive(std::io::sink()));
    assert!(matches!(layers.look_at_written("c2", &chain, []), Err(Error::NoWritable { .. })));
    assert!(matches!(layers.look_at_container("../c1", &chain), Err(Error::InvalidId { .. })));
}

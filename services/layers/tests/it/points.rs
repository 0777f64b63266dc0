//! The places at which all containers have something mounted.

use std::os::unix::fs::PermissionsExt;

use gantry_archive::Header;
use gantry_layers::Points;

use crate::scene::{Mounted, Scene, apply_all, dir, file, in_both_formats, layer};

const POINTS: Points = Points { directories: &["proc", "etc"], files: &["etc/hosts"] };

in_both_formats![
    containers_have_them_and_images_do_not,
    what_an_image_says_of_them_counts,
    the_next_version_may_have_more,
    a_chain_of_as_many_layers_as_there_may_be_has_none,
];

fn containers_have_them_and_images_do_not(scene: &Scene) {
    let layers = scene.open_with(POINTS);
    let chain = apply_all(&layers, &[layer(&[(file("a"), "")])]);
    layers.prepare("c1", &chain).unwrap();
    let mounted = Mounted::new(&layers.recipe("c1", &chain).unwrap());
    assert_eq!(mounted.names(""), ["a", "etc", "proc"]);
    assert!(mounted.stat("etc/hosts").is_file());
    // Nothing was written for it.
    let upper = scene.path("rw/c1/u");
    assert_eq!(std::fs::read_dir(&upper).unwrap().count(), 0);
    drop(mounted);
    layers.prepare("c2", &[]).unwrap();
    assert_eq!(Mounted::new(&layers.recipe("c2", &[]).unwrap()).names(""), ["etc", "proc"]);
    // What a container has written is what differs from its image.
    std::fs::create_dir(upper.join("etc")).unwrap();
    std::fs::write(upper.join("etc/mine"), "1").unwrap();
    let written = layers.look_at_written("c1", &chain, []).unwrap();
    let paths: Vec<_> = written.changes().unwrap().into_iter().map(|change| change.path).collect();
    assert_eq!(paths, [&b"etc"[..], b"etc/mine"]);
}

fn what_an_image_says_of_them_counts(scene: &Scene) {
    let layers = scene.open_with(POINTS);
    let below = layer(&[(Header::directory("etc/", 0o700), ""), (file("etc/hosts"), "own")]);
    let above = layer(&[(file("etc/.wh.hosts"), ""), (Header::symlink("proc", "a"), "")]);
    let chain = apply_all(&layers, &[below, above, layer(&[(dir("a"), "")])]);
    layers.prepare("c1", &chain).unwrap();
    let mounted = Mounted::new(&layers.recipe("c1", &chain).unwrap());
    assert_eq!(mounted.stat("etc").permissions().mode() & 0o7777, 0o700);
    assert_eq!(mounted.names("etc"), Vec::<String>::new());
    assert!(mounted.path("proc").is_symlink());
}

fn the_next_version_may_have_more(scene: &Scene) {
    let first = Points { directories: &["proc"], files: &[] };
    drop(scene.open_with(first));
    let layers = scene.open_with(POINTS);
    layers.prepare("c1", &[]).unwrap();
    let mounted = Mounted::new(&layers.recipe("c1", &[]).unwrap());
    assert_eq!(mounted.names(""), ["etc", "proc"]);
}

fn a_chain_of_as_many_layers_as_there_may_be_has_none(scene: &Scene) {
    let layers = scene.open_with(POINTS);
    let one = |number| layer(&[(file(&format!("{number}")), "")]);
    let chain = apply_all(&layers, &(0..498).map(one).collect::<Vec<_>>());
    assert_eq!(layers.directories("c1", &chain).unwrap().lower.len(), 498);
    assert_eq!(layers.directories("c1", &chain[1..]).unwrap().lower.len(), 498);
}

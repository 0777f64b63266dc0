//! Writable layers of containers.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use gantry_archive::Header;
use gantry_layers::{Durability, Error};

use crate::scene::{Mounted, Scene, apply_all, dir, file, in_both_formats, layer};

in_both_formats![
    the_root_looks_like_the_topmost_that_says,
    a_writable_layer_comes_and_goes,
    ids_are_names_and_nothing_else,
    a_volatile_layer_can_be_mounted_again,
];

fn the_root_looks_like_the_topmost_that_says(scene: &Scene) {
    let layers = scene.open();
    let mut root = Header::directory("./", 0o1770);
    (root.uid, root.gid) = (3, 4);
    let chain = apply_all(&layers, &[layer(&[(root, "")]), layer(&[(file("a"), "")])]);
    layers.prepare("c1", &chain).unwrap();
    let upper = scene.path("rw/c1/u").metadata().unwrap();
    assert_eq!((upper.mode() & 0o7777, upper.uid(), upper.gid()), (0o1770, 3, 4));
    let mounted = Mounted::new(&layers.recipe("c1", &chain).unwrap());
    assert_eq!(mounted.stat("").permissions().mode() & 0o7777, 0o1770);
}

fn a_writable_layer_comes_and_goes(scene: &Scene) {
    let layers = scene.open();
    let chain = apply_all(&layers, &[layer(&[(dir("d"), "")])]);
    assert!(!layers.container_exists("c1"));
    layers.prepare("c1", &chain).unwrap();
    assert!(layers.container_exists("c1"));
    assert_eq!(layers.containers(), ["c1"]);
    assert!(matches!(layers.prepare("c1", &chain), Err(Error::Exists { .. })));
    assert_eq!(layers.size("c1").unwrap(), 0);
    std::fs::write(scene.path("rw/c1/u/file"), "12345").unwrap();
    std::fs::create_dir_all(scene.path("rw/c1/u/deep/er")).unwrap();
    assert_eq!(layers.size("c1").unwrap(), 5);
    layers.remove("c1").unwrap();
    layers.remove("c1").unwrap();
    assert!(!layers.container_exists("c1"));
    assert!(matches!(layers.size("c1"), Err(Error::NoWritable { .. })));
    assert!(matches!(layers.recipe("c1", &chain), Err(Error::NoWritable { .. })));
    let other = scene.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("file"), "x").unwrap();
    layers.throw_away(&other).unwrap();
    layers.throw_away(&other).unwrap();
    assert!(!other.exists());
    // The files go in the background.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !scene.leftovers().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", scene.leftovers());
        std::thread::yield_now();
    }
}

fn ids_are_names_and_nothing_else(scene: &Scene) {
    let layers = scene.open();
    for id in ["", ".", "..", "a/b", "../x", "a b", "ü", &"x".repeat(129)] {
        assert!(matches!(layers.prepare(id, &[]), Err(Error::InvalidId { .. })), "{id}");
        assert!(matches!(layers.recipe(id, &[]), Err(Error::InvalidId { .. })), "{id}");
        assert!(!layers.container_exists(id));
    }
    for id in ["", ".", "..", "a/b", "../layers"] {
        assert!(matches!(layers.remove(id), Err(Error::InvalidId { .. })), "{id}");
    }
    assert_eq!(layers.containers(), Vec::<String>::new());
}

fn a_volatile_layer_can_be_mounted_again(scene: &Scene) {
    let layers = scene.open();
    layers.prepare("c1", &[]).unwrap();
    for round in 0..2 {
        let recipe = layers.recipe_with("c1", &[], Durability::Volatile, None).unwrap();
        assert!(recipe[0].options.iter().any(|option| option == "volatile"));
        let root = Mounted::new(&recipe);
        assert_eq!(root.names("").len(), round);
        std::fs::write(root.path(&format!("f{round}")), "x").unwrap();
    }
    let recipe = layers.recipe("c1", &[]).unwrap();
    assert_eq!(Mounted::new(&recipe).names(""), ["f0", "f1"]);
}

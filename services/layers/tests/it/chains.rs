//! Layers on layers, as the kernel shows them.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gantry_archive::Header;
use gantry_layers::Layers;
use gantry_types::Digest;

use crate::scene::{Layer, Mounted, Scene, apply_all, dir, file, in_both_formats, layer};

in_both_formats![
    layers_merge_as_the_specification_says,
    a_layer_that_depends_on_others_is_kept_for_each_chain,
    a_link_through_several_layers_finds_what_the_container_would_see,
    an_opaque_root_hides_everything,
    a_layer_is_shared_whatever_lies_below,
    an_image_without_layers_is_an_empty_root,
    many_layers_make_one_root,
    compressed_layers_are_the_same_layer,
    the_same_layer_at_once_is_extracted_once,
];

fn mounted(layers: &Layers, id: &str, chain: &[Digest]) -> Mounted {
    layers.prepare(id, chain).unwrap();
    Mounted::new(&layers.recipe(id, chain).unwrap())
}

fn base() -> Layer {
    let mut etc = Header::directory("etc", 0o2750);
    (etc.uid, etc.gid, etc.modified.seconds) = (7, 8, 99);
    layer(&[
        (etc, ""),
        (file("etc/one"), "base"),
        (file("etc/two"), "base"),
        (dir("opt"), ""),
        (file("opt/old"), "base"),
        (dir("swap"), ""),
        (file("swap/old"), "base"),
    ])
}

fn layers_merge_as_the_specification_says(scene: &Scene) {
    let layers = scene.open();
    let upper = layer(&[
        (dir("etc"), ""),
        (file("etc/.wh.one"), ""),
        (file("etc/two"), "upper"),
        (dir("opt"), ""),
        (file("opt/new"), "upper"),
        (file("opt/.wh..wh..opq"), ""),
        (file(".wh.swap"), ""),
        (dir("swap"), ""),
        (file("swap/new"), "upper"),
    ]);
    let chain = apply_all(&layers, &[base(), upper]);
    let root = mounted(&layers, "c1", &chain);
    assert_eq!(root.names(""), ["etc", "opt", "swap"]);
    assert_eq!(root.names("etc"), ["two"]);
    assert_eq!(root.names("opt"), ["new"]);
    assert_eq!(root.names("swap"), ["new"]);
    assert_eq!(root.text("etc/two"), "upper");
    // What is written goes to the writable layer, and nowhere else.
    std::fs::write(root.path("etc/three"), "written").unwrap();
    drop(root);
    assert!(scene.path("rw/c1/u/etc/three").exists());
    assert_eq!(layers.size("c1").unwrap(), 7);
}

fn a_layer_that_depends_on_others_is_kept_for_each_chain(scene: &Scene) {
    let layers = scene.open();
    let other = layer(&[(Header::directory("etc", 0o711), ""), (file("etc/two"), "other")]);
    // Implied: /etc, with whatever it looks like below. A link to a file below.
    let above = layer(&[(file("etc/new"), "new"), (Header::hard_link("link", "etc/two"), "")]);
    let one = apply_all(&layers, &[base(), above.clone()]);
    let two = apply_all(&layers, &[other.clone(), above.clone()]);
    let (first, second) = (mounted(&layers, "c1", &one), mounted(&layers, "c2", &two));
    let etc = first.stat("etc");
    assert_eq!((etc.mode() & 0o7777, etc.uid(), etc.gid(), etc.mtime()), (0o2750, 7, 8, 99));
    assert_eq!(first.text("link"), "base");
    assert_eq!(second.stat("etc").mode() & 0o7777, 0o711);
    assert_eq!(second.text("link"), "other");
    drop((first, second));
    assert_eq!(scene.numbers(), [0, 1, 2, 3, 4]);
    // Only the copies of dead chains go.
    layers.remove("c1").unwrap();
    let collected = layers.collect(&HashSet::from([two.clone()])).unwrap();
    assert_eq!(collected.layers, 2);
    assert_eq!(scene.numbers(), [0, 3, 4]);
    assert!(layers.find(&above.diff_id, &two[..1]).unwrap().is_some());
    assert!(layers.find(&above.diff_id, &one[..1]).unwrap().is_none());
    // Lowest, nothing is below: the link leads nowhere.
    let error = layers.apply(&above.diff_id, &[], &above.tar[..]).unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
    // And parents must be here.
    let strange = Digest::sha256([1; 32]);
    let error = layers.apply(&above.diff_id, std::slice::from_ref(&strange), &above.tar[..]);
    assert!(error.unwrap_err().to_string().contains(strange.as_str()));
    assert_eq!(scene.numbers(), [0, 3, 4]);
}

fn a_link_through_several_layers_finds_what_the_container_would_see(scene: &Scene) {
    let layers = scene.open();
    let lowest = layer(&[(dir("usr/lib"), ""), (file("usr/lib/x"), "old"), (file("gone"), "g")]);
    let middle = layer(&[
        (Header::symlink("lib", "usr/lib"), ""),
        (dir("usr"), ""),
        (dir("usr/lib"), ""),
        (file("usr/lib/x"), "new"),
        (file(".wh.gone"), ""),
    ]);
    let top = layer(&[(Header::hard_link("copy", "lib/x"), "")]);
    let chain = apply_all(&layers, &[lowest.clone(), middle.clone(), top]);
    assert_eq!(mounted(&layers, "c1", &chain).text("copy"), "new");
    let dead = layer(&[(Header::hard_link("copy", "gone"), "")]);
    let error = layers.apply(&dead.diff_id, &chain[..2], &dead.tar[..]).unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
}

fn an_opaque_root_hides_everything(scene: &Scene) {
    let layers = scene.open();
    let chain =
        apply_all(&layers, &[base(), layer(&[(file(".wh..wh..opq"), ""), (file("only"), "x")])]);
    assert_eq!(mounted(&layers, "c1", &chain).names(""), ["only"]);
}

fn a_layer_is_shared_whatever_lies_below(scene: &Scene) {
    let layers = scene.open();
    let shared = layer(&[(dir("s"), ""), (file("s/f"), "shared")]);
    let one = apply_all(&layers, &[base(), shared.clone()]);
    let two = apply_all(&layers, std::slice::from_ref(&shared));
    assert_eq!(scene.numbers(), [0, 1, 2]);
    assert_eq!(mounted(&layers, "c1", &one).text("s/f"), "shared");
    assert_eq!(mounted(&layers, "c2", &two).names(""), ["s"]);
    assert_eq!(layers.remove_layer(&shared.diff_id).unwrap().bytes, 6);
    assert!(layers.find(&shared.diff_id, &[]).unwrap().is_none());
}

fn an_image_without_layers_is_an_empty_root(scene: &Scene) {
    let layers = scene.open();
    let root = mounted(&layers, "c1", &[]);
    assert_eq!(root.names(""), Vec::<String>::new());
    assert_eq!(root.stat("").mode() & 0o7777, 0o755);
}

fn many_layers_make_one_root(scene: &Scene) {
    let layers = scene.open();
    let chain: Vec<Layer> = (0..120).map(|at| layer(&[(file(&format!("f{at}")), "x")])).collect();
    let chain = apply_all(&layers, &chain);
    assert_eq!(mounted(&layers, "c1", &chain).names("").len(), 120);
    // The parents of a layer with fixups are many, too.
    let top = layer(&[(Header::hard_link("link", "f0"), "")]);
    layers.apply(&top.diff_id, &chain, &top.tar[..]).unwrap();
}

fn compressed_layers_are_the_same_layer(scene: &Scene) {
    let layers = scene.open();
    let base = base();
    let mut gzip = Vec::new();
    // A gzip member of one stored block: no encoder is needed for that.
    gzip.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]).unwrap();
    let (mut crc, mut chunks) = (!0_u32, base.tar.chunks(60_000).peekable());
    while let Some(chunk) = chunks.next() {
        let length = u16::try_from(chunk.len()).unwrap();
        gzip.push(u8::from(chunks.peek().is_none()));
        gzip.write_all(&length.to_le_bytes()).unwrap();
        gzip.write_all(&(!length).to_le_bytes()).unwrap();
        gzip.write_all(chunk).unwrap();
    }
    for byte in &base.tar {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    gzip.write_all(&(!crc).to_le_bytes()).unwrap();
    gzip.write_all(&u32::try_from(base.tar.len()).unwrap().to_le_bytes()).unwrap();
    layers.apply(&base.diff_id, &[], &gzip[..]).unwrap();
    assert_eq!(mounted(&layers, "c1", &[base.diff_id]).text("etc/one"), "base");
}

/// A reader that, at its first byte, gives others time to begin as well.
struct Meeting<'a> {
    tar: &'a [u8],
    readers: &'a AtomicU32,
    begun: bool,
}

impl Read for Meeting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !std::mem::replace(&mut self.begun, true) {
            self.readers.fetch_add(1, Ordering::SeqCst);
            let deadline = Instant::now() + Duration::from_millis(200);
            while self.readers.load(Ordering::SeqCst) == 1 && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        self.tar.read(buffer)
    }
}

fn the_same_layer_at_once_is_extracted_once(scene: &Scene) {
    let layers = scene.open();
    let base = base();
    let readers = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let tar = Meeting { tar: &base.tar, readers: &readers, begun: false };
            scope.spawn(|| layers.apply(&base.diff_id, &[], tar).unwrap());
        }
    });
    assert_eq!(readers.into_inner(), 1);
    assert_eq!(scene.numbers(), [0, 1]);
}

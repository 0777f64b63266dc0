//! Layers that are extracted before anybody knows which they are.

use gantry_archive::{EntryKind, Header};
use gantry_layers::{Format, Layers};

use crate::scene::{Layer, Mounted, Scene, dir, file, in_both_formats, layer};

in_both_formats![
    what_was_staged_is_the_layer,
    what_is_not_adopted_leaves_nothing,
    what_needs_more_is_left_to_others,
];

fn some_layer() -> Layer {
    let link = EntryKind::Symlink { target: b"file".into() };
    layer(&[
        (dir("."), ""),
        (dir("dir"), ""),
        (file("dir/file"), "text"),
        (Header { kind: link, ..file("dir/link") }, ""),
    ])
}

fn look(layers: &Layers, layer: &Layer) {
    let chain = [layer.diff_id.clone()];
    layers.prepare("one", &chain).unwrap();
    let mounted = Mounted::new(&layers.recipe("one", &chain).unwrap());
    assert_eq!(mounted.text("dir/link"), "text");
    assert_eq!(mounted.names("dir"), ["file", "link"]);
}

fn what_was_staged_is_the_layer(scene: &Scene) {
    let (layers, layer) = (scene.open(), some_layer());
    let staged = layers.stage(&layer.tar[..]).unwrap().unwrap();
    assert_eq!(layers.find(&layer.diff_id, &[]).unwrap(), None);
    let info = layers.adopt(staged, &layer.diff_id).unwrap();
    assert_eq!((info.diff_id.clone(), info.size_bytes), (layer.diff_id.clone(), 4));
    assert_eq!(layers.find(&layer.diff_id, &[]).unwrap(), Some(info));
    look(&layers, &layer);
    // It lies there as if it had been applied.
    if scene.format == Format::Erofs {
        let other = Scene::new(Format::Erofs);
        other.open().apply(&layer.diff_id, &[], &layer.tar[..]).unwrap();
        let uuid = |scene: &Scene| {
            let image = std::fs::read(scene.path("layers/1/layer.erofs")).unwrap();
            image[1024 + 48..1024 + 64].to_vec()
        };
        assert_eq!(uuid(scene), uuid(&other));
    }
    drop(layers);
    let layers = scene.open();
    assert!(layers.find(&layer.diff_id, &[]).unwrap().is_some(), "a restart finds it");
}

fn what_is_not_adopted_leaves_nothing(scene: &Scene) {
    let (layers, layer) = (scene.open(), some_layer());
    let [first, second] = [(), ()].map(|()| layers.stage(&layer.tar[..]).unwrap().unwrap());
    drop(layers.adopt(first, &layer.diff_id).unwrap());
    let numbers = scene.numbers();
    // It is here already.
    drop(layers.adopt(second, &layer.diff_id).unwrap());
    drop(layers.stage(&layer.tar[..]).unwrap());
    let cut = &layer.tar[..600];
    assert!(layers.stage(cut).is_err());
    assert_eq!((scene.numbers(), scene.leftovers().len()), (numbers, 0));
}

fn what_needs_more_is_left_to_others(scene: &Scene) {
    let layers = scene.open();
    // The directory may be a lower layer's, and look otherwise there.
    let implied = layer(&[(file("dir/file"), "text")]);
    assert!(layers.stage(&implied.tar[..]).unwrap().is_none());
    // Its digest would have to be taken.
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    assert!(layers.stage(&gzip[..]).unwrap().is_none());
    assert_eq!(scene.leftovers().len(), 0);
}

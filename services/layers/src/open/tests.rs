//! What opening the store puts right after crashes of the process and of the machine.

use gantry_archive::{Header, Writer};
use sha2::Digest as _;

use super::*;
use crate::Points;

fn layer(name: &str) -> (Digest, Vec<u8>) {
    let mut writer = Writer::new(Vec::new());
    writer.append_bytes(&Header::file(name, 0o644), name.as_bytes()).unwrap();
    let tar = writer.finish().unwrap();
    (Digest::sha256(sha2::Sha256::digest(&tar).into()), tar)
}

fn open(root: &Path, boot: &str) -> Layers {
    let db = Arc::new(Db::open(&root.join("meta.db")).unwrap());
    Layers::open_in_boot(
        Config {
            root: root.to_owned(),
            format: Some(Format::Directory),
            points: Points::default(),
            label: None,
        },
        db,
        boot.to_owned(),
    )
    .unwrap()
}

#[test]
fn unsynced_layers_of_another_boot_are_lost() {
    let temp = tempfile::tempdir().unwrap();
    let (flushed, late) = (layer("flushed"), layer("late"));
    let layers = open(temp.path(), "one");
    layers.apply(&flushed.0, &[], &flushed.1[..]).unwrap();
    layers.sync().unwrap();
    layers.apply(&late.0, &[], &late.1[..]).unwrap();
    drop(layers);

    let layers = open(temp.path(), "one");
    assert_eq!(layers.reconciled(), &Reconciled::default());
    assert!(layers.find(&late.0, &[]).unwrap().is_some());
    drop(layers);

    let layers = open(temp.path(), "two");
    assert_eq!(layers.reconciled(), &Reconciled { lost: vec![late.0.clone()], strays: 1 });
    assert!(layers.find(&late.0, &[]).unwrap().is_none());
    assert!(layers.find(&flushed.0, &[]).unwrap().is_some());
    let error = layers.prepare("c1", &[flushed.0, late.0]).unwrap_err();
    assert!(error.to_string().contains("load its image again"), "{error}");
}

#[test]
fn rows_and_directories_are_compared() {
    let temp = tempfile::tempdir().unwrap();
    let (kept, gone) = (layer("kept"), layer("gone"));
    let layers = open(temp.path(), "one");
    layers.apply(&kept.0, &[], &kept.1[..]).unwrap();
    layers.apply(&gone.0, &[], &gone.1[..]).unwrap();
    let place = |diff_id| layers.lower_paths(std::slice::from_ref(diff_id)).unwrap().remove(0);
    let (kept_place, gone_place) = (place(&kept.0), place(&gone.0));
    drop(layers);
    std::fs::remove_dir_all(gone_place.parent().unwrap()).unwrap();
    for stray in ["layers/77/fs", "layers/ingest/78/fs/half", "layers/trash/0/x"] {
        std::fs::create_dir_all(temp.path().join(stray)).unwrap();
    }

    let layers = open(temp.path(), "one");
    assert_eq!(layers.reconciled(), &Reconciled { lost: vec![gone.0.clone()], strays: 2 });
    layers.empty_trash().unwrap();
    let mut names = layers.shared.dirs.layers.names().unwrap();
    names.sort();
    let number = kept_place.parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert_eq!(names, ["0", number, "ingest", "points", "spare", "trash"]);
    assert_eq!(layers.shared.dirs.ingest.names().unwrap(), Vec::<String>::new());
    // It comes back under a number that nothing had.
    layers.apply(&gone.0, &[], &gone.1[..]).unwrap();
    let again = layers.lower_paths(std::slice::from_ref(&gone.0)).unwrap();
    assert!(again[0].ends_with("78/fs"), "{again:?}");
}

#[test]
fn a_root_that_mounts_cannot_use_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("a,b");
    std::fs::create_dir(&root).unwrap();
    let db = Arc::new(Db::open(&temp.path().join("meta.db")).unwrap());
    let error =
        Layers::open(Config { root, format: None, points: Points::default(), label: None }, db)
            .unwrap_err();
    assert!(error.to_string().contains("without a comma"), "{error}");
}

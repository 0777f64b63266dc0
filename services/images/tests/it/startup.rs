//! What an earlier end left behind goes; what is missing is told; what others keep stays.

use std::fs;

use gantry_images::{Error, RemoveOptions};
use gantry_types::Algorithm;

use crate::fixture::{Parts, docker_archive, sha256};
use crate::rig::Rig;

#[test]
fn leftovers_go_and_the_files_of_others_stay() {
    let mut rig = Rig::new();
    rig.add(&docker_archive(&[(&Parts::new("web", 1), &["web"])]));
    let files = rig.files();
    let orphan = sha256(b"orphan");
    let shard = rig.root().join("blobs/sha256").join(&orphan.hex()[..2]);
    rig.close();
    fs::write(rig.root().join("ingest/blob-7"), "partial").unwrap();
    fs::write(rig.root().join("trash/blob-7"), "garbage").unwrap();
    fs::create_dir_all(&shard).unwrap();
    fs::write(shard.join(orphan.hex()), "orphan").unwrap();
    fs::write(rig.root().join("ingest/layer-1"), "of another service").unwrap();
    rig.reopen();
    let mut expected = files;
    expected.push("ingest/layer-1".into());
    expected.sort();
    assert_eq!(rig.files(), expected);
    assert!(rig.images().incomplete().is_empty());
}

#[test]
fn missing_and_cut_blobs_are_told() {
    let mut rig = Rig::new();
    let parts = Parts::new("web", 2);
    rig.add(&docker_archive(&[(&parts, &["web"])]));
    let digests = [sha256(&parts.layers[0]), sha256(&parts.layers[1])];
    let path = |digest: &gantry_types::Digest| {
        rig.root().join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex())
    };
    let (gone, cut) = (path(&digests[0]), path(&digests[1]));
    fs::remove_file(gone).unwrap();
    fs::write(cut, "short").unwrap();
    rig.reopen();
    let incomplete = rig.images().incomplete();
    assert_eq!(incomplete.len(), 1);
    assert_eq!(incomplete[0].image.as_str(), parts.id());
    assert_eq!(incomplete[0].missing, digests);
    // Loading it again heals it.
    rig.add(&docker_archive(&[(&parts, &["web"])]));
    rig.reopen();
    assert!(rig.images().incomplete().is_empty());
}

#[test]
fn blobs_are_written_verified_and_read() {
    let rig = Rig::new();
    let mut writer = rig.images().blob_writer(Algorithm::Sha256).unwrap();
    writer.append(b"some ").unwrap();
    writer.append(b"content").unwrap();
    let wrong = sha256(b"other content");
    let error = writer.commit(Some(&wrong)).unwrap_err();
    assert!(error.to_string().contains("not sha256:"), "{error}");
    assert!(rig.files().is_empty());

    let mut writer = rig.images().blob_writer(Algorithm::Sha256).unwrap();
    writer.append(b"some content").unwrap();
    let committed = writer.commit(Some(&sha256(b"some content"))).unwrap();
    assert_eq!(committed.size_bytes, 12);
    let file = rig.images().open_blob(&committed.digest).unwrap();
    assert_eq!(std::io::read_to_string(file).unwrap(), "some content");
    drop(committed);
    assert!(rig.files().is_empty(), "nobody keeps it");

    drop(rig.images().blob_writer(Algorithm::Sha256).unwrap());
    assert!(rig.files().is_empty());
}

#[test]
fn two_leases_of_a_blob_count() {
    let rig = Rig::new();
    let parts = Parts::new("web", 1);
    let archive = docker_archive(&[(&parts, &["web"])]);
    let (first, second) = (rig.load(&archive).unwrap(), rig.load(&archive).unwrap());
    drop(first);
    assert_eq!(rig.files().len(), 3);
    rig.images().record(&second[0], 1).unwrap();
    drop(second);
    assert_eq!(rig.files().len(), 3);
}

#[test]
fn syncing_is_remembered() {
    let mut rig = Rig::new();
    rig.images().sync().unwrap();
    let parts = Parts::new("web", 1);
    rig.add(&docker_archive(&[(&parts, &["web"])]));
    rig.images().sync().unwrap();
    rig.reopen();
    assert_eq!(rig.images().resolve("web").unwrap().id.as_str(), parts.id());
}

#[test]
fn threads_that_load_and_remove_the_same_images_do_no_harm() {
    let mut rig = Rig::new();
    let archives: Vec<Vec<u8>> = (0..3)
        .map(|number| {
            let name = format!("image{number}");
            docker_archive(&[(&Parts::new(&name, 2), &[&name])])
        })
        .collect();
    let work = &|seed: usize| {
        for turn in 0..30 {
            let number = (seed + turn * 7) % archives.len();
            if (seed + turn).is_multiple_of(3) {
                let name = format!("image{number}");
                let gone = rig.images().remove(&name, RemoveOptions::default(), |_| Vec::new());
                assert!(matches!(gone, Ok(_) | Err(Error::NoSuchImage { .. })), "{name}: {gone:?}");
            } else {
                rig.add(&archives[number]);
            }
        }
    };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || work(seed));
        }
    });
    let images = rig.images().list().unwrap().len();
    assert_eq!(rig.files().len(), images * 4, "each image has its four blobs, and no more");
    rig.reopen();
    assert!(rig.images().incomplete().is_empty());
}

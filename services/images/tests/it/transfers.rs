//! Blobs from afar: one transfer at a time, and none begins anew that can go on.

use std::io::Read;

use gantry_images::{Error, Images, Incoming};
use gantry_oci::image::{Descriptor, Manifest, media_type};
use gantry_types::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::rig::Rig;

fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

/// The documents of an image with one layer.
struct Remote {
    layer: &'static [u8],
    config: Vec<u8>,
    manifest: Manifest,
    document: Vec<u8>,
}

impl Remote {
    fn new(layer: &'static [u8]) -> Self {
        let config = json!({
            "os": "linux", "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]},
        });
        let config = serde_json::to_vec(&config).unwrap();
        let blob = |kind, bytes: &[u8]| Descriptor::new(kind, sha256(bytes), bytes.len() as u64);
        let layers = vec![blob(media_type::OCI_LAYER, layer)];
        let manifest = Manifest::new(blob(media_type::OCI_CONFIG, &config), layers);
        let document = serde_json::to_vec(&manifest).unwrap();
        Self { layer, config, manifest, document }
    }

    fn blob(&self) -> &Descriptor {
        &self.manifest.layers[0]
    }

    fn begin<'a>(&self, images: &'a Images) -> Incoming<'a> {
        let document =
            (media_type::OCI_MANIFEST, &sha256(&self.document), self.document.as_slice());
        images.incoming(document, &self.manifest, &self.config).unwrap()
    }
}

#[test]
fn a_transfer_goes_on_after_a_restart() {
    let remote = Remote::new(b"0123456789");
    let mut rig = Rig::new();
    {
        let incoming = remote.begin(rig.images());
        let mut writer = incoming.writer(remote.blob()).unwrap().unwrap();
        writer.append(b"01234").unwrap();
    }
    rig.reopen();
    let incoming = remote.begin(rig.images());
    let mut writer = incoming.writer(remote.blob()).unwrap().unwrap();
    assert_eq!(writer.size_bytes(), 5);
    let mut follower = writer.follow().unwrap();
    writer.append(b"56789").unwrap();
    incoming.take(writer, &remote.blob().digest).unwrap();
    let mut followed = Vec::new();
    follower.read_to_end(&mut followed).unwrap();
    assert_eq!(followed, remote.layer);
    let image = rig.images().record(&incoming.finish(Vec::new()).unwrap(), 10).unwrap().image;
    assert_eq!(image.diff_ids(), [sha256(remote.layer)]);
    assert!(
        rig.files().iter().all(|path| !path.to_string_lossy().contains("partial")),
        "{:?}",
        rig.files()
    );
}

#[test]
fn what_is_not_what_it_should_be_does_not_stay() {
    let remote = Remote::new(b"0123456789");
    let rig = Rig::new();
    let incoming = remote.begin(rig.images());
    let mut writer = incoming.writer(remote.blob()).unwrap().unwrap();
    let mut follower = writer.follow().unwrap();
    writer.append(b"something!").unwrap();
    let error = incoming.take(writer, &remote.blob().digest).unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    follower.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(incoming.writer(remote.blob()).unwrap().unwrap().size_bytes(), 0);
    assert!(matches!(incoming.finish(Vec::new()), Err(Error::MissingBlob { .. })));
}

#[test]
fn a_follower_learns_that_the_rest_will_not_come() {
    let remote = Remote::new(b"0123456789");
    let rig = Rig::new();
    let incoming = remote.begin(rig.images());
    let mut writer = incoming.writer(remote.blob()).unwrap().unwrap();
    let mut follower = writer.follow().unwrap();
    writer.append(b"01").unwrap();
    drop(writer);
    let error = follower.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}");
}

#[test]
fn the_second_waits_for_the_first_and_finds_the_blob_there() {
    let remote = Remote::new(b"0123456789");
    let rig = Rig::new();
    let (one, two) = (remote.begin(rig.images()), remote.begin(rig.images()));
    let mut writer = one.writer(remote.blob()).unwrap().unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| two.writer(remote.blob()).unwrap().is_none());
        writer.append(remote.layer).unwrap();
        one.take(writer, &remote.blob().digest).unwrap();
        assert!(second.join().unwrap(), "the second one transfers what is here");
    });
    drop(one);
    // The second image holds the blob now.
    assert!(two.finish(Vec::new()).is_ok());
}

#[test]
fn without_a_record_nothing_stays_but_what_can_be_gone_on_with() {
    let remote = Remote::new(b"0123456789");
    let rig = Rig::new();
    let before = rig.files();
    let incoming = remote.begin(rig.images());
    assert!(rig.files().len() > before.len());
    drop(incoming);
    assert_eq!(rig.files(), before);
}

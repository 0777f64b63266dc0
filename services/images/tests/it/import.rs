//! A root file system becomes an image.

use gantry_images::ImportOptions;
use gantry_types::{ErrorKind, Timestamp};

use crate::fixture::{gzip, sha256, tar, zstd};
use crate::rig::Rig;

fn options(changes: &[&str]) -> ImportOptions {
    ImportOptions {
        reference: Some("system:1".parse().unwrap()),
        changes: changes.iter().map(|&change| change.to_owned()).collect(),
        message: "Imported from -".to_owned(),
        platform: None,
        created: Timestamp { seconds: 1_709_210_096, nanos: 0 },
    }
}

#[test]
fn an_archive_of_any_compression_becomes_one_layer() {
    let plain = tar(&[("etc/hostname", "web")]);
    for archive in [plain.clone(), gzip(&plain), zstd(&plain)] {
        let rig = Rig::new();
        let options = options(&["CMD [\"/bin/sh\"]", "ENV A=b"]);
        let loaded = rig.images().import(&archive[..], options).unwrap();
        assert_eq!(loaded.layers.len(), 1);
        assert_eq!(loaded.layers[0].diff_id, sha256(&plain));
        assert_eq!(loaded.layers[0].digest, sha256(&archive));
        let image = rig.images().record(&loaded, 10).unwrap().image;
        assert_eq!(image.repo_tags(), ["system:1"]);
        assert_eq!(image.created().unwrap().to_string(), "2024-02-29T12:34:56Z");
        assert_eq!(image.config.config.env, ["A=b"]);
        assert_eq!(image.config.history[0].comment, "Imported from -");
        assert_eq!(image.config.platform.os, "linux");
        drop(loaded);
        assert_eq!(rig.files().len(), 3);
    }
}

#[test]
fn a_wrong_change_is_said_before_anything_is_read() {
    struct Unread;
    impl std::io::Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("the archive is read")
        }
    }
    let rig = Rig::new();
    let error = rig.images().import(Unread, options(&["RUN make"])).unwrap_err();
    assert_eq!(error.to_string(), "invalid change \"RUN make\": RUN is not a valid change command");
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
}

#[test]
fn damaged_input_leaves_nothing() {
    let rig = Rig::new();
    let packed = gzip(&tar(&[("etc/hostname", "web".repeat(10_000))]));
    let cut = &packed[..packed.len() / 2];
    let error = rig.images().import(cut, options(&[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error:?}");
    let error = rig.images().import(&b"BZh91AY&SY"[..], options(&[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error:?}");
    assert!(rig.files().is_empty());
}

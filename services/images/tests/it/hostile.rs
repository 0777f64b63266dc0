//! Archives that lie, break rules or do harm: each is refused with a sentence, and leaves nothing.

use gantry_archive::{Header, Writer};
use gantry_images::{Error, LoadEvent};
use gantry_oci::image::{Index, media_type};
use gantry_types::ErrorKind;
use serde_json::json;

use crate::fixture::{
    LayoutFiles, Parts, docker_archive, docker_files, for_platform, gzip, host, named,
    other_platform, path_of, sha256, tar, zstd,
};
use crate::rig::Rig;

/// Refused as the caller's fault, with these words.
fn check(archive: &[u8], words: &str) {
    let rig = Rig::new();
    // What is there already must not suffer.
    rig.add(&docker_archive(&[(&Parts::new("old", 1), &["old"])]));
    let error = rig.refusal(archive);
    let text = chain(&error);
    assert!(text.contains(words), "{text:?} has no {words:?}");
    let kinds = [ErrorKind::InvalidParameter, ErrorKind::TooLarge];
    assert!(kinds.contains(&error.kind()), "{text}: {:?}", error.kind());
    assert_eq!(rig.images().list().unwrap().len(), 1);
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// A docker-archive in which one file has been changed.
fn docker_with(change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut files = docker_files(&[(&Parts::new("web", 2), &["web"])]);
    for (path, bytes) in &mut files {
        change(path, bytes);
    }
    tar(&files)
}

/// A layout with one image, in which the files have been changed.
fn layout_with(change: impl Fn(&Parts, &mut LayoutFiles)) -> Vec<u8> {
    let parts = Parts::new("web", 2);
    let mut layout = LayoutFiles::new();
    let manifest = layout.plain_image(&parts);
    change(&parts, &mut layout);
    layout.finish(vec![named(manifest, "web:1")])
}

#[test]
fn what_is_no_archive() {
    check(b"<html><body>404 not found</body></html>", "read the image archive");
    check(&b"<html><body>404 not found</body></html>".repeat(100), "read the image archive");
    check(&[0xff; 4096], "read the image archive");
    check(b"\x1f\x8b\x08garbage that is no gzip stream", "read the image archive");
    check(b"BZh91AY&SY", "read the image archive");
    check(b"\xfd7zXZ\0\0 and no more of it", "read the image archive");
    check(b"", "");
}

#[test]
fn archives_without_an_image() {
    check(&tar(&[("etc/passwd", "root:x:0:0::/:/bin/sh")]), "becomes an image by import");
    check(&tar(&[("manifest.json", "[]")]), "lists no image");
    check(&LayoutFiles::new().finish(Vec::new()), "lists no image");
}

#[test]
fn truncated_archives() {
    let archive = docker_archive(&[(&Parts::new("web", 2), &["web"])]);
    for length in [100, 512, 700, archive.len() / 2, archive.len() - 3000] {
        check(&archive[..length], "");
    }
    for packed in [gzip(&archive), zstd(&archive)] {
        check(&packed[..packed.len() / 2], "read the image archive");
    }
}

#[test]
fn documents_that_are_not_json() {
    let html = "<html></html>";
    let replace = |name: &'static str| {
        move |path: &str, bytes: &mut Vec<u8>| {
            if path.ends_with(name) {
                *bytes = html.into();
            }
        }
    };
    check(&docker_with(replace("manifest.json")), "manifest.json is not a valid");
    check(&tar(&[("index.json", html), ("oci-layout", "{}")]), "oci-layout is not a valid");
    check(&tar(&[("index.json", html)]), "index.json is not a valid index");
    let entry = json!([{ "Config": "c.json", "RepoTags": null, "Layers": [] }]).to_string();
    let archive = tar(&[("manifest.json", entry.as_str()), ("c.json", html)]);
    check(&archive, "c.json is not a valid image configuration");
    // Deep nesting must not end the process.
    let deep = "[".repeat(1 << 20);
    check(&tar(&[("manifest.json", deep.as_str())]), "manifest.json");
}

#[test]
fn wrong_digests() {
    let break_config = |path: &str, bytes: &mut Vec<u8>| {
        if path.len() == 64 + ".json".len() {
            bytes.push(b' ');
        }
    };
    check(&docker_with(break_config), "has digest sha256:");
    let break_layer = |path: &str, bytes: &mut Vec<u8>| {
        if path.ends_with("layer.tar") {
            bytes[0] ^= 1;
        }
    };
    check(&docker_with(break_layer), "has digest sha256:");
    for position in 0..4 {
        let flip = move |_: &Parts, layout: &mut LayoutFiles| {
            let mut blobs = layout.files.iter_mut().filter(|(path, _)| path.starts_with("blobs"));
            blobs.nth(position).unwrap().1[0] ^= 1;
        };
        check(&layout_with(flip), "has digest sha256:");
    }
}

#[test]
fn wrong_sizes() {
    let mut layout = LayoutFiles::new();
    let mut manifest = layout.plain_image(&Parts::new("web", 1));
    manifest.size += 1;
    check(&layout.finish(vec![manifest]), "bytes, not");
}

#[test]
fn diff_ids_that_are_not_those_of_the_layers() {
    let mut parts = Parts::new("web", 2);
    parts.config["rootfs"]["diff_ids"][0] = json!(sha256(b"something else"));
    check(&docker_archive(&[(&parts, &["web"])]), "has digest sha256:");
    let mut layout = LayoutFiles::new();
    let manifest = layout.plain_image(&parts);
    check(&layout.finish(vec![manifest]), "has digest sha256:");
}

#[test]
fn layers_and_diff_ids_that_do_not_pair() {
    let mut parts = Parts::new("web", 2);
    parts.layers.pop();
    check(&docker_archive(&[(&parts, &["web"])]), "has 2 layers, its manifest has 1");
}

#[test]
fn missing_content_is_named() {
    let parts = Parts::new("web", 2);
    let wanted = [
        ("the layer", sha256(&parts.layers[1])),
        ("the image configuration", sha256(&parts.config_bytes())),
    ];
    for (what, digest) in wanted {
        let remove = |_: &Parts, layout: &mut LayoutFiles| {
            layout.files.remove(&path_of(&digest));
        };
        check(&layout_with(remove), &format!("{what} {digest} is missing in the image archive"));
    }
    let mut layout = LayoutFiles::new();
    let manifest = layout.plain_image(&parts);
    layout.files.remove(&path_of(&manifest.digest));
    check(&layout.finish(vec![manifest.clone()]), &format!("the manifest {}", manifest.digest));
    let mut files = docker_files(&[(&parts, &["web"])]);
    files.retain(|(path, _)| !path.ends_with("layer.tar"));
    check(&tar(&files), "layer.tar\" is missing in it");
}

#[test]
fn one_wrong_image_of_two_spoils_the_archive() {
    let (good, mut bad) = (Parts::new("good", 1), Parts::new("bad", 1));
    bad.config["rootfs"]["diff_ids"][0] = json!(sha256(b"something else"));
    check(&docker_archive(&[(&good, &["good"]), (&bad, &["bad"])]), "has digest");
}

#[test]
fn manifest_bombs() {
    let padding = " ".repeat(5 << 20);
    let archive = tar(&[("manifest.json", format!("[]{padding}"))]);
    check(&archive, "manifest.json in the image archive is over the limit of 4194304 bytes");
    check(&gzip(&archive), "over the limit");
    check(&tar(&[("index.json", format!("{{}}{padding}"))]), "over the limit");
    let entry = json!({ "Config": "c", "Layers": [] });
    let many = serde_json::to_string(&vec![entry; 1001]).unwrap();
    check(&tar(&[("manifest.json", many)]), "over the limit of 1000 images");
    let mut parts = Parts::new("web", 1);
    parts.layers = vec![parts.layers[0].clone(); 501];
    parts.config["rootfs"]["diff_ids"] = json!(vec![sha256(&parts.layers[0]); 501]);
    check(&docker_archive(&[(&parts, &[])]), "over the limit of 500 layers");
}

#[test]
fn indexes_in_indexes_without_end() {
    let mut layout = LayoutFiles::new();
    let mut descriptor = layout.plain_image(&Parts::new("web", 1));
    for _ in 0..10 {
        descriptor = layout.json(media_type::OCI_INDEX, &Index::new(vec![descriptor]));
    }
    check(&layout.finish(vec![descriptor]), "over the limit of 4 levels");
}

#[test]
fn indexes_that_list_the_same_over_and_over() {
    let mut layout = LayoutFiles::new();
    let mut empty = json!(Index::new(vec![])).to_string();
    empty.extend(std::iter::repeat_n(' ', 2 << 20));
    let empty = layout.blob(media_type::OCI_INDEX, empty.into_bytes());
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![empty.clone(); 1000]));
    let words = "the documents that its indexes lead to";
    check(&layout.finish(vec![index]), words);
    let mut layout = LayoutFiles::new();
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![empty; 1001]));
    check(&layout.finish(vec![index]), "over the limit of 1000 entries");
}

#[test]
fn paths_that_leave_the_archive() {
    check(&tar(&[("../../etc/cron.d/x", "* * * * * root true")]), "leaves it");
    let mut writer = Writer::new(Vec::new());
    writer.append_header(&Header::symlink("manifest.json", "../../../etc/passwd")).unwrap();
    check(&writer.finish().unwrap(), "leaves it");
    let mut writer = Writer::new(Vec::new());
    writer.append_header(&Header::symlink("manifest.json", "/etc/passwd")).unwrap();
    check(&writer.finish().unwrap(), "\"manifest.json\" is missing in it");
    let entry = json!([{ "Config": "../../etc/passwd", "RepoTags": null, "Layers": [] }]);
    check(&tar(&[("manifest.json", entry.to_string())]), "leaves it");
    let entry = json!([{ "Config": "/etc/passwd", "RepoTags": null, "Layers": [] }]);
    check(&tar(&[("manifest.json", entry.to_string())]), "is missing in it");
}

#[test]
fn links_in_a_circle() {
    let mut writer = Writer::new(Vec::new());
    writer.append_header(&Header::symlink("manifest.json", "other")).unwrap();
    writer.append_header(&Header::symlink("other", "manifest.json")).unwrap();
    check(&writer.finish().unwrap(), "is a link without an end");
}

#[test]
fn names_that_are_none() {
    let parts = Parts::new("web", 1);
    for name in ["WEB", "web:", "web@sha256:12", "../web", "a b", ""] {
        check(&docker_archive(&[(&parts, &[name])]), "in manifest.json");
    }
}

#[test]
fn images_for_other_machines() {
    let mut layout = LayoutFiles::new();
    let theirs = for_platform(layout.plain_image(&Parts::new("web", 1)), other_platform());
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![theirs]));
    let archive = layout.finish(vec![index]);
    let images = Rig::new();
    let images = images.images();
    let refused = images.load_for(&archive[..], vec![host()], |_: LoadEvent| {}).unwrap_err();
    assert!(refused.to_string().contains("in the archive: it has linux/s390x"), "{refused}");
    assert_eq!(images.list().unwrap().len(), 0);
    let mut windows = Parts::new("web", 1);
    windows.config["os"] = json!("windows");
    check(&docker_archive(&[(&windows, &["web"])]), "cannot run on Linux");
}

#[test]
fn layers_of_unknown_types() {
    for media_type in
        ["application/x-unheard-of", "application/vnd.oci.image.layer.v1.tar+encrypted"]
    {
        let mut layout = LayoutFiles::new();
        let manifest = layout.image(&Parts::new("web", 1), media_type, <[u8]>::to_vec);
        check(&layout.finish(vec![manifest]), "has the unknown type");
    }
}

#[test]
fn an_unknown_version_of_the_layout() {
    let newer = |_: &Parts, layout: &mut LayoutFiles| {
        let marker = br#"{"imageLayoutVersion":"9.0.0"}"#.to_vec();
        layout.files.insert("oci-layout".to_owned(), marker);
    };
    check(&layout_with(newer), "its layout has version \"9.0.0\"");
}

#[test]
fn a_stream_that_breaks() {
    struct Broken(usize);
    impl std::io::Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.min(buffer.len());
            if count == 0 {
                return Err(std::io::ErrorKind::ConnectionReset.into());
            }
            buffer[..count].fill(0);
            self.0 -= count;
            Ok(count)
        }
    }
    let rig = Rig::new();
    for length in [0, 3, 700] {
        rig.images().load(Broken(length), |_| {}).unwrap_err();
        assert!(rig.files().is_empty());
    }
}

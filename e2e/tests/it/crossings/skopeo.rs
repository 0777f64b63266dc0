//! skopeo between us and every form that it knows.

use std::path::Path;

use gantry_testkit::{Daemon, Invocation};

use super::{arrives, daemon_with, image, manifest_digests, packed, save, unpacked};

#[track_caller]
fn copy(flags: &[&str], from: &str, to: &str) {
    let words = [&["copy", "--quiet", "--insecure-policy"], flags, &[from, to]].concat();
    Invocation::new("skopeo").args(words).run().success();
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn there_and_back_with_the_same_manifest() {
    let image = image("crossing:1");
    let daemon = daemon_with(std::slice::from_ref(&image));
    let saved = save(&daemon, &["crossing:1"]);
    let folder = daemon.scratch("copied");
    let layout = format!("oci:{}:1", folder.display());
    copy(&["--preserve-digests"], &format!("oci-archive:{}", saved.display()), &layout);
    let back = packed(&daemon, &folder);
    assert_eq!(manifest_digests(&back), manifest_digests(&saved), "the manifest stays the same");
    let elsewhere = Daemon::start();
    elsewhere.ok(&["load", "-q", "-i", path(&back)]);
    elsewhere.ok(&["tag", &image.id(), "crossing:1"]);
    super::is(&elsewhere, &image, "crossing:1");
    let again = save(&elsewhere, &["crossing:1"]);
    assert_eq!(manifest_digests(&again), manifest_digests(&saved), "even after we had it again");
}

#[test]
fn layers_compressed_anew_are_the_same_image() {
    let image = image("crossing:1");
    let daemon = daemon_with(std::slice::from_ref(&image));
    let saved = save(&daemon, &["crossing:1"]);
    for algorithm in ["gzip", "zstd"] {
        let folder = daemon.scratch(algorithm);
        let flags = ["--dest-compress", "--dest-compress-format", algorithm];
        let to = format!("dir:{}", folder.display());
        copy(&flags, &format!("oci-archive:{}", saved.display()), &to);
        let layout = daemon.scratch("layout");
        let named = format!("oci:{}:crossing", layout.display());
        copy(&[], &to, &named);
        let elsewhere = Daemon::start();
        elsewhere.ok(&["load", "-q", "-i", path(&packed(&daemon, &layout))]);
        elsewhere.ok(&["tag", &image.id(), "crossing:1"]);
        super::is(&elsewhere, &image, "crossing:1");
    }
}

#[test]
fn docker_archives_both_ways() {
    let image = image("crossing:1");
    let daemon = daemon_with(std::slice::from_ref(&image));
    let saved = save(&daemon, &["crossing:1"]);
    let written = daemon.scratch("by-skopeo.tar");
    let from = format!("docker-archive:{}:docker.io/library/crossing:1", saved.display());
    copy(&[], &from, &format!("docker-archive:{}:crossing:2", written.display()));
    drop(arrives(&written, &image, "crossing:2"));
}

#[test]
fn an_image_out_of_several() {
    let (one, two) = (image("crossing:1"), image("crossing:2"));
    let daemon = daemon_with(&[one.clone(), two.clone()]);
    let saved = save(&daemon, &["crossing:1", "crossing:2"]);
    for (image, name) in [(&one, "crossing:1"), (&two, "crossing:2")] {
        let alone = daemon.scratch("alone.tar");
        let from = format!("docker-archive:{}:docker.io/library/{name}", saved.display());
        copy(&[], &from, &format!("docker-archive:{}:{name}", alone.display()));
        drop(arrives(&alone, image, name));
    }
    assert_eq!(manifest_digests(&saved).len(), 2);
    assert!(unpacked(&daemon, &saved).join("oci-layout").exists());
}

//! A full disk: a small tmpfs, mounted in a mount namespace that dies with the child.

use std::path::Path;
use std::process::Command;

use gantry_types::ErrorKind;

use crate::fixture::{Parts, docker_archive, tar};
use crate::rig::{files, open};

/// In the child only: the folder where the small tmpfs is mounted.
const FOLDER_VARIABLE: &str = "GANTRY_IMAGES_FULL_FOLDER";

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=4m tmpfs \"$GANTRY_IMAGES_FULL_FOLDER\" && exec \"$0\" \"$@\"";
    let child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::child_on_a_small_disk", "--nocapture"])
        .env(FOLDER_VARIABLE, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    assert!(text.contains("the disk was full"), "the child ran: {text}");
}

/// Not a test by itself: what the child runs. Without the variable it has nothing to do.
#[test]
fn child_on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return };
    let root = Path::new(&folder);
    let images = open(root);
    let small = docker_archive(&[(&Parts::new("small", 1), &["small"])]);
    let loaded = images.load(&small[..], |_| {}).unwrap();
    images.record(&loaded[0], 1).unwrap();
    drop(loaded);
    let before = files(root);

    let huge = tar(&[("layer.tar", vec![7_u8; 8 << 20])]);
    let error = images.load(&huge[..], |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(files(root), before, "nothing is left of it");

    let other = docker_archive(&[(&Parts::new("other", 1), &["other"])]);
    let loaded = images.load(&other[..], |_| {}).unwrap();
    images.record(&loaded[0], 1).unwrap();
    println!("the disk was full, and there is room again");
}

//! A real distribution as an image: dynamic linking, a package database, thousands of files. Made once, kept under
//! `target/testdata`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Image, Layer};
use crate::checkout;

/// The archive of `debian:stable`, as `docker save` would write it. The first call needs a Debian mirror and takes
/// a quarter of a minute.
pub fn debian_archive() -> PathBuf {
    let folder = checkout().join("target/testdata");
    fs::create_dir_all(&folder).expect("make target/testdata");
    let archive = folder.join("debian.tar");
    // Whoever holds the lock makes the archive; everybody else finds it ready.
    let lock = File::create(folder.join("debian.lock")).expect("make the lock file");
    lock.lock().expect("lock target/testdata/debian.lock");
    if !archive.exists() {
        let root = folder.join("debian-root.tar");
        bootstrap(&root);
        let tar = fs::read(&root).expect("read the root that mmdebstrap made");
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let image = Image {
            name: "debian:stable".to_owned(),
            layers: vec![Layer { tar, gzip: false }],
            config: json!({"Cmd": ["bash"], "Env": [path]}),
        };
        fs::write(&root, image.docker_archive()).expect("write the image archive");
        fs::rename(&root, &archive).expect("keep the image archive");
    }
    archive
}

fn bootstrap(root: &Path) {
    let output = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--format=tar", &codename()])
        .arg(root)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("run mmdebstrap: {error}; `make test-tools` installs it"));
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mmdebstrap could not make a root: {reason}");
}

/// The release that this machine runs: its mirrors and keys are known to work here.
fn codename() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let line = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.unwrap_or("stable").to_owned()
}

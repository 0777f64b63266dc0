//! Images cross between us and the tools of others, in archives, layouts and through a registry, and stay what they are: the same image
//! id, the same layers, and where the format keeps manifests the same manifest.

mod docker;
mod podman;
mod skopeo;
mod umoci;

use std::fs;
use std::path::{Path, PathBuf};

use gantry_testkit::{Daemon, Entry, Image, Invocation, Kind, Layer, Tar, busybox_layer};
use serde_json::{Value, json};

/// Three layers with everything that a tool might change on the way: owners, modes, links, deletions, a full configuration.
fn image(name: &str) -> Image {
    let owned = |name, mode, content| Entry {
        mode,
        owner: (1000, 4464),
        content,
        ..Entry::new(name, Kind::File)
    };
    let hard = Entry { kind: Kind::HardLink, ..owned("data/hard", 0o4755, b"") };
    let second = Tar::new()
        .directory("data/", 0o1777)
        .entry(&owned("data/set", 0o4755, b"set-user-id"))
        .entry(&owned("data/gone", 0o600, b"gone"))
        .symlink("data/link", "../data/set")
        .entry(&Entry { target: "data/set", ..hard })
        .finish();
    let third = Tar::new()
        .directory("data/", 0o1777)
        .file("data/.wh.gone", 0o600, b"")
        .file("own", 0o644, name.as_bytes())
        .finish();
    let layer = |tar, gzip| Layer { tar, gzip };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer(), true), layer(second, true), layer(third, false)],
        config: json!({
            "Cmd": ["cat", "/own"], "Env": ["PATH=/bin", "A=b c"], "User": "app:app", "WorkingDir": "/data",
            "Labels": {"x": "y"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "StopSignal": "SIGINT",
        }),
    }
}

/// A daemon that knows these images.
fn daemon_with(images: &[Image]) -> Daemon {
    let daemon = Daemon::start();
    for image in images {
        daemon.load(image);
    }
    daemon
}

/// Where `daemon` saves these names.
fn save(daemon: &Daemon, names: &[&str]) -> PathBuf {
    let file = daemon.scratch("saved.tar");
    daemon.ok(&[&["save", "-o", file.to_str().unwrap()], names].concat());
    file
}

/// Loads an archive where nothing is, and looks at what came: the same image under this name, which runs.
#[track_caller]
fn arrives(archive: &Path, expected: &Image, name: &str) -> Daemon {
    let daemon = Daemon::start();
    let told = daemon.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert!(told.contains(name), "{name} is not among what was loaded: {told}");
    is(&daemon, expected, name);
    daemon
}

/// The image under this name is the expected one.
#[track_caller]
fn is(daemon: &Daemon, expected: &Image, name: &str) {
    let seen = &inspect(daemon, name);
    assert_eq!(seen["Id"], expected.id(), "the image's id");
    let diff_ids: Vec<String> = expected
        .layers
        .iter()
        .map(|layer| format!("sha256:{}", gantry_testkit::sha256(&layer.tar)))
        .collect();
    assert_eq!(seen["RootFS"]["Layers"], json!(diff_ids), "its layers");
    assert_eq!(seen["Config"]["Labels"]["x"], "y");
    let own = String::from_utf8(expected.name.clone().into_bytes()).unwrap();
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", name]), own);
    let script = "id -u; stat -c '%a %u %g %h' set; ls -A; test ! -e gone";
    let run = ["run", "--rm", "--network", "none", name, "sh", "-c", script];
    assert_eq!(daemon.ok(&run), "1000\n4755 1000 4464 2\nhard\nlink\nset");
}

fn inspect(daemon: &Daemon, name: &str) -> Value {
    let mut all: Vec<Value> =
        serde_json::from_str(&daemon.ok(&["image", "inspect", name])).unwrap();
    all.remove(0)
}

/// The digests of the manifests that an OCI layout in an archive lists.
fn manifest_digests(archive: &Path) -> Vec<String> {
    let index = Invocation::new("tar")
        .args(["-xOf", archive.to_str().unwrap(), "index.json"])
        .run()
        .success();
    let index: Value = serde_json::from_str(&index).unwrap();
    let digest = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
    index["manifests"].as_array().unwrap().iter().map(digest).collect()
}

/// A folder with what is in the archive.
fn unpacked(daemon: &Daemon, archive: &Path) -> PathBuf {
    let folder = daemon.scratch("layout");
    fs::create_dir_all(&folder).unwrap();
    let words = ["-C", folder.to_str().unwrap(), "-xf", archive.to_str().unwrap()];
    Invocation::new("tar").args(words).run().success();
    folder
}

/// An archive of what is in the folder.
fn packed(daemon: &Daemon, folder: &Path) -> PathBuf {
    let archive = daemon.scratch("packed.tar");
    let words = ["-cf", archive.to_str().unwrap(), "oci-layout", "index.json", "blobs"];
    Invocation::new("tar").current_dir(folder).args(words).run().success();
    archive
}

#[test]
fn compressed_outer_archives() {
    let image = image("crossing:1");
    let daemon = daemon_with(std::slice::from_ref(&image));
    for plain in [image.docker_archive(), image.oci_layout()] {
        for program in ["gzip", "zstd"] {
            let archive = daemon.scratch("outer");
            let outcome = std::process::Command::new(program)
                .args(["-q", "-c"])
                .arg({
                    let file = daemon.scratch("inner");
                    fs::write(&file, &plain).unwrap();
                    file
                })
                .output()
                .unwrap();
            assert!(outcome.status.success());
            fs::write(&archive, outcome.stdout).unwrap();
            drop(arrives(&archive, &image, "crossing:1"));
        }
    }
}

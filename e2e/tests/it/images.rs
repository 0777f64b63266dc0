//! load, import, images, tag, rmi.

use std::fs;

use gantry_testkit::{Daemon, Image, Layer, Tar, busybox, busybox_layer, debian_archive};
use serde_json::json;

use crate::shared::shared;

/// Two layers: a file of the lower one is replaced, one hidden, a directory emptied.
fn layered(name: &str) -> Image {
    let second = Tar::new()
        .directory("data/", 0o755)
        .file("data/lower", 0o644, b"lower")
        .file("data/both", 0o644, b"from the lower")
        .directory("emptied/", 0o755)
        .file("emptied/old", 0o644, b"old")
        .finish();
    let third = Tar::new()
        .directory("data/", 0o755)
        .file("data/both", 0o600, b"from the upper")
        .file("data/.wh.lower", 0o644, b"")
        .directory("emptied/", 0o755)
        .file("emptied/.wh..wh..opq", 0o644, b"")
        .file("emptied/new", 0o644, b"new")
        .hard_link("data/linked", 0o600, "data/both")
        .finish();
    let layer = |tar| Layer { tar, gzip: true };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(second), layer(third)],
        config: json!({"Cmd": ["sh"]}),
    }
}

#[test]
fn both_formats_give_the_same_image() {
    let daemon = Daemon::start();
    let image = layered("layered:1");
    let outcome = daemon.gantry(&["load"]).input(image.docker_archive()).run();
    outcome.exits(0).prints("Loaded image: layered:1\n");
    let again = Image { name: "layered:2".to_owned(), ..image.clone() };
    let outcome = daemon.gantry(&["load"]).input(again.oci_layout()).run();
    outcome.exits(0).prints("Loaded image: layered:2\n");
    let ids = daemon.ok(&["images", "-q", "--no-trunc", "layered"]);
    assert_eq!(ids, format!("{0}\n{0}", image.id()));
    for name in ["layered:1", "layered:2"] {
        let script = "cat /data/both; ls /data /emptied; stat -c '%a %h' /data/both";
        let seen = daemon.ok(&["run", "--rm", "--network", "none", name, "sh", "-c", script]);
        assert_eq!(seen, "from the upper/data:\nboth\nlinked\n\n/emptied:\nnew\n600 2");
    }
}

#[test]
fn load_reads_a_file_and_compressed_archives() {
    let daemon = Daemon::start();
    let file = daemon.scratch("image.tar");
    fs::write(&file, busybox().docker_archive()).unwrap();
    let path = file.to_str().unwrap();
    daemon.gantry(&["load", "-i", path]).run().exits(0).prints("Loaded image: busybox:latest\n");
    gantry_testkit::Invocation::new("gzip").args([path]).run().success();
    let packed = format!("{path}.gz");
    daemon
        .gantry(&["load", "-q", "-i", &packed])
        .run()
        .exits(0)
        .prints("Loaded image: busybox:latest\n");
    daemon
        .gantry(&["load", "-i", "/no/such/file"])
        .run()
        .exits(1)
        .plainly()
        .complains("/no/such/file");
}

#[test]
fn loading_twice_adds_nothing() {
    let daemon = Daemon::with_busybox();
    let before = daemon.snapshot();
    daemon.load(&busybox());
    before.assert_restored(&daemon);
}

#[test]
fn tags_come_and_go_and_the_image_with_the_last() {
    let daemon = Daemon::start();
    let before = daemon.snapshot();
    daemon.load(&busybox());
    daemon.ok(&["tag", "busybox", "mine/box:v1"]);
    daemon.ok(&["tag", "busybox:latest", "registry.example:5000/deep/er/box"]);
    let listed = daemon.ok(&["images"]);
    for words in ["busybox", "mine/box", "registry.example:5000/deep/er/box"] {
        assert!(listed.contains(words), "{words} is missing:\n{listed}");
    }
    assert_eq!(daemon.ok(&["rmi", "busybox"]), "Untagged: busybox:latest");
    daemon.ok(&["run", "--rm", "--network", "none", "mine/box:v1", "true"]);
    daemon.ok(&["rmi", "mine/box:v1"]);
    let last = daemon.ok(&["rmi", "registry.example:5000/deep/er/box"]);
    assert!(last.contains("Untagged: ") && last.contains("Deleted: sha256:"), "{last}");
    assert!(!daemon.ok(&["images"]).contains("box"));
    before.assert_restored(&daemon);
}

#[test]
fn an_image_in_use_stays() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["create", "--name", "user", "--network", "none", "busybox", "true"]);
    daemon
        .gantry(&["rmi", "busybox"])
        .run()
        .exits(1)
        .complains("conflict: unable to remove repository reference \"busybox\" (must force)");
    let id = busybox().id();
    daemon
        .gantry(&["rmi", id.trim_start_matches("sha256:")])
        .run()
        .exits(1)
        .complains("conflict: unable to delete");
    daemon.ok(&["rm", "user"]);
    daemon.ok(&["rmi", "busybox"]);
}

#[test]
fn by_id_and_by_prefix() {
    let daemon = Daemon::with_busybox();
    let id = busybox().id();
    let digits = id.trim_start_matches("sha256:");
    for name in [
        &id,
        digits,
        &digits[..12],
        "busybox",
        "busybox:latest",
        "docker.io/library/busybox",
        "library/busybox",
    ] {
        assert_eq!(
            daemon.ok(&["run", "--rm", "--network", "none", name, "echo", "ok"]),
            "ok",
            "{name}"
        );
    }
}

#[test]
fn the_table_of_images() {
    let daemon = Daemon::with_busybox();
    let listed = daemon.ok(&["images"]);
    let header: Vec<&str> = listed
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .filter(|word| !word.is_empty())
        .map(str::trim)
        .collect();
    assert_eq!(header, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    assert!(listed.contains("hello-world") && listed.contains("busybox"), "{listed}");
}

#[test]
fn import_makes_an_image_of_a_root() {
    let daemon = Daemon::start();
    let file = daemon.scratch("root.tar");
    fs::write(&file, busybox_layer()).unwrap();
    let words = [
        "import",
        "-c",
        "CMD [\"/bin/echo\", \"imported\"]",
        "-c",
        "ENV A=1",
        "-m",
        "a message",
        file.to_str().unwrap(),
        "root:1",
    ];
    let id = daemon.ok(&words);
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", "root:1"]), "imported");
    assert!(daemon.ok(&["run", "--rm", "--network", "none", "root:1", "env"]).contains("A=1"));
    let piped = daemon.gantry(&["import", "-", "root:2"]).input(busybox_layer()).run().success();
    assert!(piped.starts_with("sha256:"), "{piped}");
    daemon.ok(&["run", "--rm", "--network", "none", "root:2", "/bin/true"]);
}

#[test]
fn a_real_distribution() {
    let daemon = Daemon::start();
    daemon.ok(&["load", "-q", "-i", debian_archive().to_str().unwrap()]);
    let run = |script: &str| {
        daemon.ok(&["run", "--rm", "--network", "none", "debian:stable", "bash", "-c", script])
    };
    assert!(run("cat /etc/os-release").contains("Debian"));
    // Dynamic linking, setuid kept, permissions that root ignores and a package manager that checks its files.
    assert_eq!(run("stat -c %a /usr/bin/passwd"), "4755");
    assert_eq!(run("dpkg --verify coreutils bash && echo clean"), "clean");
    assert_eq!(run("runuser -u nobody -- id -un"), "nobody");
}

#[test]
fn what_is_not_there() {
    shared().gantry(&["rmi", "nothing"]).run().exits(1).complains("No such image: nothing");
    shared().gantry(&["tag", "nothing", "x"]).run().exits(1).complains("No such image: nothing");
    shared().gantry(&["tag", "busybox", "UPPER"]).run().exits(1).plainly();
    // Nobody listens there.
    let reply =
        shared().http("POST", "/images/create?fromImage=127.0.0.1:1/nothing&tag=latest", &[]);
    assert!(reply.error(500).contains("cannot reach the registry at "), "{}", reply.text());
}

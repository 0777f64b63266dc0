//! save, and who reads what it writes.

use std::fs;

use gantry_testkit::{Daemon, Image, Invocation, Layer, Tar, busybox_layer};
use serde_json::json;

fn image(name: &str, own: &str) -> Image {
    let own = Tar::new().file("own", 0o644, own.as_bytes()).finish();
    Image {
        name: name.to_owned(),
        layers: vec![Layer { tar: busybox_layer(), gzip: true }, Layer { tar: own, gzip: false }],
        config: json!({"Cmd": ["cat", "/own"]}),
    }
}

#[test]
fn what_is_saved_is_loaded_and_runs() {
    let daemon = Daemon::start();
    let (one, two) = (image("saved:1", "one"), image("saved:2", "two"));
    daemon.load(&one);
    daemon.load(&two);
    daemon.ok(&["tag", "saved:1", "other.example/name:x"]);
    let file = daemon.scratch("images.tar");
    let path = file.to_str().unwrap();
    daemon.ok(&["save", "-o", path, "saved", "other.example/name:x"]);
    let again = daemon.scratch("again.tar");
    daemon.ok(&["save", "-o", again.to_str().unwrap(), "saved", "other.example/name:x"]);
    assert!(
        fs::read(&again).unwrap() == fs::read(&file).unwrap(),
        "the same images, the same bytes"
    );

    let elsewhere = Daemon::start();
    let loaded = elsewhere.ok(&["load", "-i", path]);
    for name in ["saved:1", "saved:2", "other.example/name:x"] {
        assert!(loaded.contains(&format!("Loaded image: {name}")), "{loaded}");
    }
    assert_eq!(elsewhere.ok(&["images", "-q", "--no-trunc", "saved:1"]), one.id());
    for (name, own) in [("saved:1", "one"), ("saved:2", "two"), ("other.example/name:x", "one")] {
        assert_eq!(elsewhere.ok(&["run", "--rm", "--network", "none", name]), own);
    }
}

#[test]
fn skopeo_and_docker_read_it() {
    let daemon = Daemon::start();
    let image = image("saved:1", "one");
    daemon.load(&image);
    let file = daemon.scratch("image.tar");
    let path = file.to_str().unwrap();
    daemon.docker(&["save", "-o", path, "saved:1"]).run().exits(0);
    for source in
        [format!("docker-archive:{path}:docker.io/library/saved:1"), format!("oci-archive:{path}")]
    {
        let config = Invocation::new("skopeo")
            .args(["inspect", "--config", "--raw", &source])
            .run()
            .success();
        assert_eq!(
            format!("sha256:{}", gantry_testkit::sha256(config.as_bytes())),
            image.id(),
            "{source}"
        );
    }
    daemon.ok(&["rmi", "saved:1"]);
    daemon.docker(&["load", "-i", path]).run().exits(0);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", "saved:1"]), "one");
}

#[test]
fn refusals_leave_no_file() {
    let daemon = Daemon::start();
    let file = daemon.scratch("none.tar");
    daemon
        .gantry(&["save", "-o", file.to_str().unwrap(), "nope:1"])
        .run()
        .exits(1)
        .complains("No such image: nope:1");
    assert!(fs::read_dir(file.parent().unwrap()).unwrap().next().is_none());
    let mut terminal = daemon.gantry(&["save", "hello-world"]).terminal(24, 80);
    terminal.expect("refusing to save to a terminal");
    assert_eq!(terminal.wait(), 1);
    let reply = daemon.http("GET", "/v1.50/images/get", b"");
    assert!(reply.error(400).contains("no image is named"));
}

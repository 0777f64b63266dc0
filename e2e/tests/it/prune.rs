//! prune and system df: what is there, what of it nobody needs, and what is left afterwards.

use std::fs;
use std::path::Path;

use gantry_testkit::{Daemon, Image, Layer, Tar, busybox_layer};
use serde_json::{Value, json};

fn image(name: &str, label: &str) -> Image {
    let own = Tar::new().file("own", 0o644, name.repeat(1000).as_bytes()).finish();
    Image {
        name: name.to_owned(),
        layers: vec![Layer { tar: busybox_layer(), gzip: true }, Layer { tar: own, gzip: false }],
        config: json!({"Cmd": ["true"], "Labels": {"kind": label}}),
    }
}

#[test]
fn images_that_nobody_needs_go() {
    let daemon = Daemon::start();
    daemon.ok(&["rmi", "hello-world"]);
    let before = daemon.snapshot();
    for (name, label) in [("used:1", "a"), ("unused:1", "a"), ("other:1", "b")] {
        daemon.load(&image(name, label));
    }
    let unused = image("unused:1", "a").id();
    daemon.ok(&["create", "--name", "user", "--network", "none", "used:1"]);
    // A name moves on; what it led to is dangling.
    daemon.ok(&["tag", "other:1", "unused:1"]);
    let asked = daemon.gantry(&["image", "prune"]).input("n\n").run();
    asked.exits(0).prints(
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ",
    );
    let pruned = daemon.gantry(&["image", "prune"]).input("y\n").run();
    let report = format!("Deleted Images:\ndeleted: {unused}\n\nTotal reclaimed space: 8kB\n");
    assert!(pruned.exits(0).stdout.ends_with(&report), "{}", pruned.stdout);
    assert_eq!(daemon.ok(&["image", "prune", "-f"]), "Total reclaimed space: 0B");
    let none = ["image", "prune", "-af", "--filter", "label=kind=a"];
    assert_eq!(daemon.ok(&none), "Total reclaimed space: 0B", "a container uses it");
    let none = ["image", "prune", "-af", "--filter", "label!=kind"];
    assert_eq!(daemon.ok(&none), "Total reclaimed space: 0B");
    let pruned = daemon.docker(&["image", "prune", "-af", "--filter", "label=kind=b"]).run();
    let report = pruned.success();
    for line in ["untagged: other:1", "untagged: unused:1", "Total reclaimed space: 7kB"] {
        assert!(report.contains(line), "{report}");
    }
    assert_eq!(daemon.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]), "used:1");
    daemon
        .gantry(&["image", "prune", "-f", "--filter", "x=y"])
        .run()
        .exits(1)
        .complains("invalid filter 'x'");

    assert!(daemon.ok(&["container", "prune", "-f"]).starts_with("Deleted Containers:\n"));
    assert!(daemon.ok(&["image", "prune", "-af"]).contains("untagged: used:1"));
    before.assert_restored(&daemon);
}

#[test]
fn containers_that_do_not_run_go() {
    let daemon = Daemon::with_busybox();
    let run = ["run", "-d", "--network", "none", "--name"];
    daemon.ok(&[&run[..], &["up", "busybox", "sleep", "1000"]].concat());
    daemon.ok(&[&run[..], &["labelled", "-l", "keep", "busybox", "true"]].concat());
    daemon.ok(&[&run[..], &["done", "busybox", "sh", "-c", "echo 12345 >/file"]].concat());
    daemon.ok(&["wait", "labelled", "done"]);
    let none = ["container", "prune", "-f", "--filter", "until=1h"];
    assert_eq!(daemon.ok(&none), "Total reclaimed space: 0B");
    let report = daemon.ok(&["container", "prune", "-f", "--filter", "label!=keep"]);
    assert!(report.ends_with("Total reclaimed space: 6B"), "{report}");
    let names = || daemon.ok(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(names(), "labelled\nup");
    daemon.docker(&["container", "prune", "-f"]).run().exits(0);
    assert_eq!(names(), "up");
    daemon.remove(&["up"]);
}

#[test]
fn a_system_prune_takes_both() {
    let daemon = Daemon::start();
    daemon.load(&image("one:1", "a"));
    daemon.ok(&["create", "--network", "none", "one:1"]);
    let report = daemon.ok(&["system", "prune", "-af"]);
    for line in ["Deleted Containers:\n", "Deleted Images:\n", "untagged: one:1\n"] {
        assert!(report.contains(line), "{report}");
    }
    assert_eq!(daemon.ok(&["images", "-q"]), "");
    daemon.load(&image("two:1", "a"));
    let report = daemon.docker(&["system", "prune", "-af", "--volumes"]).run().success();
    assert!(report.contains("untagged: two:1\n"), "{report}");
}

/// Of all files below a folder, together.
fn lengths_below(folder: &Path) -> i64 {
    let length = |entry: fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        let length = i64::try_from(metadata.len()).unwrap();
        if metadata.is_dir() { lengths_below(&entry.path()) } else { length }
    };
    fs::read_dir(folder).unwrap().map(|entry| length(entry.unwrap())).sum()
}

#[test]
fn disk_usage_adds_up() {
    let daemon = Daemon::start();
    daemon.ok(&["rmi", "hello-world"]);
    daemon.load(&image("one:1", "a"));
    daemon.load(&image("two:1", "a"));
    let run = ["run", "--network", "none", "--name", "box1", "one:1", "sh", "-c"];
    daemon.ok(&[&run[..], &["echo 1234567 >/file"]].concat());
    let usage: Value = serde_json::from_slice(&daemon.http("GET", "/system/df", b"").body).unwrap();
    let sizes: Vec<i64> = ["one:1", "two:1"]
        .map(|name| daemon.ok(&["image", "inspect", "-f", "{{.Size}}", name]).parse().unwrap())
        .into();
    let of = |name: &str| {
        let images = usage["Images"].as_array().unwrap();
        images.iter().find(|image| image["RepoTags"][0] == name).unwrap()
    };
    let shared = of("one:1")["SharedSize"].as_i64().unwrap();
    assert_eq!(sizes, [shared + 5000, shared + 5000]);
    let blobs = lengths_below(&daemon.data_root().join("blobs"));
    assert_eq!(usage["LayersSize"].as_i64().unwrap(), shared + 10_000 + blobs);
    assert_eq!((&of("one:1")["Containers"], &of("two:1")["Containers"]), (&json!(1), &json!(0)));
    assert_eq!(usage["Containers"][0]["SizeRw"], 8);
    assert_eq!((&usage["Volumes"], &usage["BuildCache"]), (&json!([]), &json!([])));
    let some = daemon.http("GET", "/v1.45/system/df?type=container", b"").body;
    let some: Value = serde_json::from_slice(&some).unwrap();
    assert!(some["Images"].is_null() && some["Containers"].is_array(), "{some}");
    assert_eq!(daemon.http("GET", "/system/df?type=socks", b"").status, 400);
    for words in
        [&["system", "df"][..], &["system", "df", "-v"], &["system", "df", "--format", "json"]]
    {
        // "1 second ago" may pass between the two.
        let looks = 1..=20;
        for look in looks.clone() {
            let (ours, theirs) = (daemon.ok(words), daemon.docker(words).run().success());
            if ours == theirs.trim_end() {
                break;
            }
            assert!(look < *looks.end(), "{words:?}: {ours}\n{theirs}");
        }
    }
    let seen = daemon.ok(&["system", "df"]);
    assert!(seen.contains("Containers      1         0         8B        8B (100%)"), "{seen}");
}

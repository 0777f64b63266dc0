//! `push` in detail: what is compressed on the way, what is not sent, and what comes of several tags.

use gantry_testkit::{Daemon, Image, Layer, MadeRegistry, Registry, Reply, Tar, busybox_layer};
use serde_json::{Value, json};

/// An image whose layers are plain, as `docker save` writes them.
fn plain_image(name: &str) -> Image {
    let own = Tar::new().file("own", 0o644, b"plain").finish();
    let layer = |tar| Layer { tar, gzip: false };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(own)],
        config: json!({"Cmd": ["cat", "/own"]}),
    }
}

fn manifest(registry: &Registry, name: &str) -> Value {
    let source = format!("docker://{name}");
    let raw = registry.skopeo(&["inspect", "--raw", "--tls-verify=false", &source]).run().success();
    serde_json::from_str(&raw).unwrap()
}

fn kinds(manifest: &Value) -> Vec<&str> {
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["mediaType"].as_str().unwrap()).collect()
}

#[test]
fn plain_layers_are_compressed_to_the_same_bytes_everywhere() {
    let (registry, one, two) = (Registry::open(), Daemon::start(), Daemon::start());
    let name = |repository: &str| format!("{}/{repository}:1", registry.address());
    let (first, second) = (name("first"), name("second"));
    one.load(&plain_image(&first));
    two.load(&plain_image(&second));
    one.ok(&["push", &first]);
    two.ok(&["push", &second]);
    let pushed = manifest(&registry, &first);
    assert_eq!(kinds(&pushed), ["application/vnd.oci.image.layer.v1.tar+gzip"; 2]);
    assert_eq!(pushed["layers"], manifest(&registry, &second)["layers"]);
    // A second push knows what became of them, and so does one to another repository.
    let again = one.ok(&["push", &first]);
    assert_eq!(again.matches(": Layer already exists").count(), 2, "{again}");
    let third = name("third");
    one.ok(&["tag", &first, &third]);
    let mounted = one.ok(&["push", &third]);
    assert_eq!(mounted.matches(": Mounted from first").count(), 2, "{mounted}");
    one.ok(&["rmi", &first, &third]);
    one.ok(&["pull", "-q", &third]);
    assert_eq!(one.ok(&["run", "--rm", "--network", "none", &third]), "plain");
}

#[test]
fn other_compressions() {
    let (registry, daemon) = (Registry::open(), Daemon::start());
    for (word, kind) in [
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("none", "application/vnd.oci.image.layer.v1.tar"),
    ] {
        let name = format!("{}/{word}:1", registry.address());
        daemon.load(&plain_image(&name));
        daemon.ok(&["push", "--compression", word, &name]);
        assert_eq!(kinds(&manifest(&registry, &name)), [kind; 2]);
        daemon.ok(&["rmi", &name]);
        daemon.ok(&["pull", "-q", &name]);
        assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "plain");
        // What came from a registry keeps its digest.
        let twin = format!("{}/twin-{word}:1", registry.address());
        daemon.ok(&["tag", &name, &twin]);
        daemon.ok(&["push", "-q", &twin]);
        assert_eq!(manifest(&registry, &twin), manifest(&registry, &name));
    }
    daemon
        .gantry(&["push", "--compression", "xz", "localhost:1/a"])
        .run()
        .exits(1)
        .complains("unknown compression \"xz\": gzip, zstd and none are known");
}

#[test]
fn every_tag_at_once_through_the_api() {
    let (registry, daemon) = (Registry::open(), Daemon::start());
    let repository = format!("{}/many", registry.address());
    for tag in ["1", "2"] {
        daemon.load(&plain_image(&format!("{repository}:{tag}")));
    }
    let reply = daemon.http("POST", &format!("/images/{repository}/push"), b"");
    let text = reply.text();
    assert!(text.contains("\"Tag\":\"1\"") && text.contains("\"Tag\":\"2\""), "{text}");
    let reply = daemon.http("POST", &format!("/images/{repository}-not/push"), b"");
    // As from Docker: by then the answer has begun.
    assert_eq!(reply.status, 200);
    let lines: Vec<Value> =
        reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["status"], format!("The push refers to repository [{repository}-not]"));
    let says = format!("An image does not exist locally with the tag: {repository}-not");
    assert_eq!(lines[1]["errorDetail"]["message"], says);
}

#[test]
fn another_platform_is_not_pushed() {
    let (registry, daemon) = (Registry::open(), Daemon::start());
    let name = format!("{}/a:1", registry.address());
    daemon.load(&plain_image(&name));
    daemon
        .gantry(&["push", "--platform", "linux/s390x", &name])
        .run()
        .exits(1)
        .complains("not for linux/s390x");
}

#[test]
fn manifests_are_shown_without_a_pull() {
    let (registry, daemon) = (Registry::open(), Daemon::start());
    let name = format!("{}/a:1", registry.address());
    daemon.load(&plain_image(&name));
    daemon.ok(&["push", &name]);
    daemon.ok(&["rmi", &name]);
    let shown: Value = serde_json::from_str(&daemon.ok(&["manifest", "inspect", &name])).unwrap();
    assert_eq!(shown, manifest(&registry, &name));
    let more: Value =
        serde_json::from_str(&daemon.ok(&["manifest", "inspect", "-v", &name])).unwrap();
    assert_eq!(more["OCIManifest"], shown);
    assert_eq!(more["Descriptor"]["platform"]["os"], "linux");
    let looked = daemon.http("GET", &format!("/distribution/{name}/json"), b"").json();
    assert_eq!(looked["Platforms"][0]["os"], "linux");
    assert_eq!(looked["Descriptor"]["digest"], more["Descriptor"]["digest"]);
    assert!(looked.get("Documents").is_none(), "{looked}");
    daemon
        .gantry(&["manifest", "inspect", &format!("{}/none", registry.address())])
        .run()
        .exits(1)
        .complains("none:latest not found: manifest unknown");
}

#[test]
fn a_search() {
    let results = json!({"num_results": 2, "results": [
        {"name": "team/app", "description": "what the team\nmakes, and a word more than would fit",
         "star_count": 7, "is_official": true, "is_automated": false},
        {"name": "other/app", "description": null, "star_count": 2, "is_official": false},
    ]});
    let finds = results.to_string();
    let registry = MadeRegistry::new(move |request| {
        if request.target.starts_with("/v1/search?q=app") {
            Reply::new(200, finds.as_str())
        } else {
            Reply::new(404, "")
        }
    });
    let daemon = Daemon::start();
    let term = format!("{}/app", registry.address());
    let found = daemon.ok(&["search", &term]);
    let lines: Vec<&str> = found.lines().collect();
    assert!(lines[0].starts_with("NAME        DESCRIPTION"), "{found}");
    assert!(
        lines[1].starts_with("team/app    what the team makes, and a word more than wo"),
        "{found}"
    );
    assert!(lines[1].ends_with("7         [OK]"), "{found}");
    let words = ["search", "--filter", "stars=3", "--format", "{{.Name}}", "--limit", "5", &term];
    assert_eq!(daemon.ok(&words), "team/app");
    assert!(registry.requests().iter().any(|request| request.target.ends_with("q=app&n=5")));
    daemon
        .gantry(&["search", "--limit", "101", &term])
        .run()
        .exits(1)
        .complains("range of [1, 100]");
    let real = Registry::open();
    daemon
        .gantry(&["search", &format!("{}/app", real.address())])
        .run()
        .exits(1)
        .complains("this registry offers none");
}

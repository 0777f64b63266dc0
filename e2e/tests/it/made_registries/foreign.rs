//! Layers that their makers let nobody hand on: they stay here, but for registries that the daemon's settings name.

use std::fs;

use gantry_testkit::{Daemon, MadeRegistry, Options, Reply, Request};
use serde_json::{Value, json};

use super::shelf::{MANIFEST, Shelf};

const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

/// A registry that has the image `a:1`, and takes whatever it is sent as `b`.
fn registry() -> (MadeRegistry, String) {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("foreign", |manifest| {
        manifest["layers"][1]["mediaType"] = json!(FOREIGN);
        manifest["layers"][1]["urls"] = json!(["https://nowhere.example/layer"]);
    });
    let digest = manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
    shelf.document("1", MANIFEST, &manifest);
    let answer = move |request: &Request| match request.method.as_str() {
        "GET" | "HEAD" => shelf.answer(request),
        "POST" => Reply::new(202, "").with("Location", "/v2/b/blobs/uploads/1"),
        _ => Reply::new(201, ""),
    };
    (MadeRegistry::new(answer), digest)
}

/// Pulls and pushes with these settings; whether the foreign layer was sent, and the manifest that was.
fn sent(settings: impl Fn(&str) -> Value) -> (bool, Value) {
    let (registry, digest) = registry();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    fs::write(&file, settings(registry.address()).to_string()).unwrap();
    let flags = vec!["--config-file".to_owned(), file.display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    let [from, to] = ["a", "b"].map(|name| format!("{}/{name}:1", registry.address()));
    daemon.ok(&["pull", "-q", &from]);
    daemon.ok(&["tag", &from, &to]);
    let told = daemon.ok(&["push", &to]);
    let requests = registry.requests();
    let put = |request: &&Request| request.method == "PUT";
    let is_sent = requests.iter().filter(put).any(|request| request.target.contains(&digest));
    assert_eq!(told.contains("Skipped foreign layer"), !is_sent, "{told}");
    let manifest = requests.iter().filter(put).find(|one| one.target.contains("/manifests/"));
    (is_sent, serde_json::from_slice(&manifest.unwrap().body).unwrap())
}

#[test]
fn they_stay_here() {
    let (is_sent, manifest) = sent(|_| json!({}));
    assert!(!is_sent);
    assert_eq!(manifest["layers"][1]["mediaType"], FOREIGN);
    assert_eq!(
        sent(|_| json!({"allow-nondistributable-artifacts": ["r.example"]})),
        (false, manifest)
    );
}

#[test]
fn registries_on_the_list_get_them() {
    let (is_sent, manifest) =
        sent(|address| json!({"allow-nondistributable-artifacts": [address]}));
    assert!(is_sent);
    assert_eq!(manifest["layers"][1]["urls"][0], "https://nowhere.example/layer");
    let network = json!({"allow-nondistributable-artifacts": ["127.0.0.0/8"]});
    assert_eq!(sent(|_| network.clone()), (true, manifest));
}

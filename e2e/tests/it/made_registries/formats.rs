//! Documents that are seldom seen.

use gantry_testkit::{Daemon, MadeRegistry, busybox_layer, gzip, sha512};
use serde_json::{Value, json};

use super::shelf::{CONFIG, INDEX, LAYER, MANIFEST, Shelf, config};

/// Pulls `a:1`, and runs it.
#[track_caller]
fn check(shelf: Shelf, text: &str) -> Daemon {
    let (registry, daemon) = (serve(shelf), Daemon::start());
    let name = format!("{}/a:1", registry.address());
    daemon.ok(&["pull", &name]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), text);
    daemon
}

#[track_caller]
fn check_refused(shelf: Shelf, words: &str) {
    let (registry, daemon) = (serve(shelf), Daemon::start());
    let name = format!("{}/a:1", registry.address());
    daemon.gantry(&["pull", &name]).run().exits(1).complains(words).plainly();
}

fn serve(shelf: Shelf) -> MadeRegistry {
    MadeRegistry::new(move |request| shelf.answer(request))
}

fn index(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

fn for_platform(mut descriptor: Value, architecture: &str) -> Value {
    descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
    descriptor
}

#[test]
fn an_index_in_an_index() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("deep", |_| {});
    let manifest = shelf.document("x", MANIFEST, &manifest);
    let inner = shelf.document("y", INDEX, &index(&[manifest]));
    shelf.document("1", INDEX, &index(&[inner]));
    check(shelf, "deep");
}

#[test]
fn an_index_that_leads_to_itself_by_many_levels() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("too deep", |_| {});
    let mut last = shelf.document("x", MANIFEST, &manifest);
    for _ in 0..6 {
        last = shelf.document("1", INDEX, &index(&[last]));
    }
    check_refused(shelf, "deeper than 4 levels");
}

#[test]
fn an_index_with_other_things_than_images() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("found", |_| {});
    let mut ours = shelf.document("x", MANIFEST, &manifest);
    ours["platform"] = config(&json!([]));
    let other = json!({
        "mediaType": "application/vnd.example.thing.v9+json", "size": 2,
        "artifactType": "application/vnd.example", "data": "e30=",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    });
    let other = for_platform(other, "s390x");
    shelf.document("1", INDEX, &index(&[other, ours]));
    check(shelf, "found");
}

#[test]
fn an_artifact_is_no_image() {
    let mut shelf = Shelf::default();
    let empty = shelf.blob("application/vnd.oci.empty.v1+json", b"{}");
    let artifact = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.sbom",
        "config": empty, "layers": [empty], "subject": empty,
    });
    shelf.document("1", MANIFEST, &artifact);
    check_refused(shelf, "application/vnd.oci.empty.v1+json");
}

#[test]
fn what_nobody_here_knows_is_passed_over() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("tolerant", |manifest| {
        manifest["subject"] = manifest["config"].clone();
        manifest["artifactType"] = json!("application/vnd.example.container");
        manifest["annotations"] = json!({"org.example": "yes"});
        manifest["config"]["data"] = json!("not looked at");
        manifest["layers"][0]["urls"] = json!(["https://nowhere.example/layer"]);
        manifest["layers"][1]["annotations"] = Value::Null;
        manifest["future"] = json!([1, {"a": null}]);
    });
    shelf.document("1", MANIFEST, &manifest);
    check(shelf, "tolerant");
}

#[test]
fn a_layer_of_an_unknown_type() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("never seen", |manifest| {
        manifest["layers"][1]["mediaType"] = json!("application/vnd.example.layer+brotli");
    });
    shelf.document("1", MANIFEST, &manifest);
    check_refused(shelf, "has the unknown type \"application/vnd.example.layer+brotli\"");
}

/// Nobody may hand such a layer on, but a registry that has it does; the image runs.
#[test]
fn a_foreign_layer_that_is_there() {
    let mut shelf = Shelf::default();
    let manifest = shelf.image("foreign", |manifest| {
        manifest["layers"][1]["mediaType"] =
            json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
        manifest["layers"][1]["urls"] = json!(["https://nowhere.example/layer"]);
    });
    shelf.document("1", MANIFEST, &manifest);
    check(shelf, "foreign");
}

#[test]
fn sha512_from_the_name_to_the_layer() {
    let mut shelf = Shelf::default();
    let tar = gantry_testkit::Tar::new().file("own", 0o644, b"long digests").finish();
    let tars = [busybox_layer(), tar];
    let mut blob = |kind: &str, bytes: &[u8]| {
        let digest = format!("sha512:{}", sha512(bytes));
        shelf.put(&format!("blobs/{digest}"), "application/octet-stream", bytes);
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let diff_ids: Vec<String> = tars.iter().map(|tar| format!("sha512:{}", sha512(tar))).collect();
    let layers: Vec<Value> = tars.iter().map(|tar| blob(LAYER, &gzip(tar))).collect();
    let config = blob(CONFIG, config(&json!(diff_ids)).to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = format!("sha512:{}", sha512(&bytes));
    shelf.put(&format!("manifests/{digest}"), MANIFEST, &bytes);
    let (registry, daemon) = (serve(shelf), Daemon::start());
    let name = format!("{}/a@{digest}", registry.address());
    daemon.ok(&["pull", &name]);
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "long digests");
    assert_eq!(
        daemon.ok(&["image", "inspect", "-f", "{{json .RepoDigests}}", &name]),
        format!("[\"{name}\"]")
    );
    // Through an archive, and back.
    let archive = daemon.scratch("saved.tar");
    let id = daemon.ok(&["image", "inspect", "-f", "{{.Id}}", &name]);
    daemon.ok(&["save", "-o", &archive.display().to_string(), &id]);
    let other = Daemon::start();
    other.ok(&["load", "-i", &archive.display().to_string()]);
    assert_eq!(other.ok(&["run", "--rm", "--network", "none", &id]), "long digests");
}

#[test]
fn a_platform_that_is_asked_for() {
    let mut shelf = Shelf::default();
    let mut entries = Vec::new();
    for architecture in ["amd64", "s390x"] {
        let text = format!("for {architecture}");
        let manifest = shelf.image(&text, |_| {});
        entries.push(for_platform(shelf.document("x", MANIFEST, &manifest), architecture));
    }
    shelf.document("1", INDEX, &index(&entries));
    let (registry, daemon) = (serve(shelf), Daemon::start());
    let name = format!("{}/a:1", registry.address());
    daemon.ok(&["pull", "--platform", "linux/s390x", &name]);
    // The made image says nothing of it in its configuration, so that it runs.
    assert_eq!(daemon.ok(&["run", "--rm", "--network", "none", &name]), "for s390x");
    daemon
        .gantry(&["pull", "--platform", "linux/riscv64", &name])
        .run()
        .exits(1)
        .complains("no matching manifest for linux/riscv64 in the manifest list entries");
}

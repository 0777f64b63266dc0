//! An image for several platforms: what is pulled of it stays side by side, and goes on to others as it came.

use gantry_testkit::{Daemon, MadeRegistry, Registry, Tar, busybox_layer, gzip, poll, sha256};
use serde_json::{Value, json};

use super::shelf::{CONFIG, INDEX, LAYER, MANIFEST, Shelf, config, kept};

const OTHER: &str = "linux/s390x";
const PROVENANCE: &str = "https://slsa.dev/provenance/v0.2";

/// What the machine is, and another that it is not.
fn architectures() -> [&'static str; 2] {
    [if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "s390x"]
}

/// An image that prints what it is for, under `1`, with an attestation about what is for this machine.
fn shelf() -> Shelf {
    let mut shelf = Shelf::default();
    let mut entries = Vec::new();
    for architecture in architectures() {
        let own = Tar::new().file("own", 0o644, architecture.as_bytes()).finish();
        let tars = [busybox_layer(), own];
        let diff_ids: Vec<String> =
            tars.iter().map(|tar| format!("sha256:{}", sha256(tar))).collect();
        let mut config = config(&json!(diff_ids));
        config["architecture"] = json!(architecture);
        let layers: Vec<Value> = tars.iter().map(|tar| shelf.blob(LAYER, &gzip(tar))).collect();
        let config = shelf.blob(CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let mut entry = shelf.document(architecture, MANIFEST, &manifest);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entries.push(entry);
    }
    let about = entries[0]["digest"].clone();
    entries.push(attestation(&mut shelf, &about));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    shelf.document("1", INDEX, &index);
    shelf
}

/// As builders write it.
fn attestation(shelf: &mut Shelf, about: &Value) -> Value {
    let statement =
        json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": PROVENANCE});
    let mut layer = shelf.blob("application/vnd.in-toto+json", statement.to_string().as_bytes());
    layer["annotations"] = json!({"in-toto.io/predicate-type": PROVENANCE});
    let config = json!({"architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
    let config = shelf.blob(CONFIG, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
    });
    let mut entry = shelf.document("attestation", MANIFEST, &manifest);
    entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    entry["annotations"] = json!({
        "vnd.docker.reference.digest": about, "vnd.docker.reference.type": "attestation-manifest",
    });
    entry
}

/// A daemon that has pulled both, and the image's name.
fn daemon_with_both(registry: &MadeRegistry, daemon: &Daemon) -> String {
    let name = format!("{}/a:1", registry.address());
    daemon.ok(&["pull", &name]);
    daemon.ok(&["pull", "--platform", OTHER, &name]);
    let again = daemon.ok(&["pull", "--platform", OTHER, &name]);
    assert!(again.contains("Status: Image is up to date for"), "{again}");
    name
}

fn served() -> MadeRegistry {
    let shelf = shelf();
    MadeRegistry::new(move |request| shelf.answer(request))
}

fn runs(daemon: &Daemon, words: &[&str]) -> String {
    daemon.ok(&[&["run", "--rm", "--network", "none"], words].concat())
}

fn architecture_of(daemon: &Daemon, words: &[&str]) -> String {
    daemon.ok(&[&["image", "inspect", "-f", "{{.Architecture}}"], words].concat())
}

#[test]
fn both_are_there_under_one_name() {
    let (registry, daemon) = (served(), Daemon::start());
    let before = kept(&daemon);
    let name = daemon_with_both(&registry, &daemon);
    let [ours, other] = architectures();
    assert_eq!(runs(&daemon, &[&name]), ours);
    // Its programs are this machine's, whatever it says.
    assert_eq!(runs(&daemon, &["--platform", OTHER, &name]), other);
    assert_eq!(architecture_of(&daemon, &[&name]), ours);
    assert_eq!(architecture_of(&daemon, &["--platform", OTHER, &name]), other);
    daemon.ok(&["tag", &name, "both:1"]);
    assert_eq!(architecture_of(&daemon, &["--platform", OTHER, "both:1"]), other);
    let rows = daemon.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(rows.lines().filter(|row| *row == "both:1").count(), 1, "{rows}");
    let tree = daemon.ok(&["images", "--tree", "both"]);
    assert!(tree.contains(&format!("├─ linux/{ours} ")), "{tree}");
    assert!(tree.contains(&format!("└─ {OTHER} ")) && !tree.contains("not here"), "{tree}");
    assert!(daemon.ok(&["system", "check", "--deep"]).contains("No faults"));
    daemon.ok(&["rmi", "both:1"]);
    daemon.ok(&["rmi", "--platform", &format!("linux/{ours}"), &name]);
    assert_eq!(architecture_of(&daemon, &[&name]), other);
    daemon.ok(&["rmi", &name]);
    poll("all of it is gone", || (kept(&daemon) == before).then_some(()));
}

#[test]
fn manifests_and_what_is_said_of_them() {
    let (registry, daemon) = (served(), Daemon::start());
    let name = daemon_with_both(&registry, &daemon);
    let get = |target: &str| daemon.http("GET", &format!("/v1.55/images/{target}"), b"");
    let document = get(&format!("{name}/json?manifests=1")).json();
    let kinds = |document: &Value| -> Vec<(String, bool)> {
        let manifests = document["Manifests"].as_array().unwrap().iter();
        let of = |one: &Value| {
            let kind = one["Kind"].as_str().unwrap().to_owned();
            (kind, one["Available"].as_bool().unwrap())
        };
        manifests.map(of).collect()
    };
    let expected = ["image", "image", "attestation"].map(|kind| (kind.to_owned(), true));
    assert_eq!(kinds(&document), expected);
    assert_eq!(document["Manifests"][2]["AttestationData"]["For"], document["Manifests"][0]["ID"]);
    assert_eq!(document["Descriptor"]["mediaType"], INDEX);
    let rows = get("json?identity=1").json();
    let row = rows.as_array().unwrap().iter().find(|row| row["Id"] == document["Id"]).unwrap();
    assert_eq!(kinds(row), expected);
    let from = &row["Manifests"][1]["ImageData"]["Identity"]["Pull"][0]["Repository"];
    assert_eq!(from, &json!(name.trim_end_matches(":1")));
    let old = daemon.http("GET", &format!("/v1.47/images/{name}/json?manifests=1"), b"").json();
    assert!(old.get("Manifests").is_none() && old.get("Descriptor").is_none(), "{old}");
    let both =
        "json?manifests=1&platform=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22s390x%22%7D";
    assert!(get(&format!("{name}/{both}")).error(400).contains("cannot both be set"));

    let said = get(&format!("{name}/attestations")).json();
    assert_eq!(said[0]["PredicateType"], PROVENANCE);
    assert!(said[0].get("Statement").is_none() && said.as_array().unwrap().len() == 1, "{said}");
    let said = get(&format!("{name}/attestations?statement=1&type={PROVENANCE}")).json();
    assert_eq!(said[0]["Statement"]["predicateType"], PROVENANCE);
    assert_eq!(get(&format!("{name}/attestations?type=other")).json(), json!([]));
    let other =
        "attestations?platform=%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22s390x%22%7D";
    assert_eq!(get(&format!("{name}/{other}")).json(), json!([]));
    assert!(get("none/attestations").error(404).contains("No such image"));
}

#[test]
fn it_goes_on_as_it_came() {
    let (registry, daemon, target) = (served(), Daemon::start(), Registry::open());
    let name = daemon_with_both(&registry, &daemon);
    let [ours, other] = architectures();
    let raw = |name: &str| -> Value {
        let words = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")];
        serde_json::from_str(&target.skopeo(&words).run().success()).unwrap()
    };
    let goal = |tag: &str| format!("{}/b:{tag}", target.address());
    daemon.ok(&["tag", &name, &goal("all")]);
    daemon.ok(&["push", &goal("all")]);
    assert_eq!(raw(&goal("all"))["manifests"].as_array().unwrap().len(), 3);
    daemon.ok(&["tag", &name, &goal("one")]);
    daemon.ok(&["push", "--platform", OTHER, &goal("one")]);
    assert_eq!(raw(&goal("one"))["mediaType"], MANIFEST);
    // It is no image of its own for that.
    let rows = daemon.ok(&["images", "-a", "--format", "{{.Tag}}"]);
    assert!(!rows.contains("<none>"), "{rows}");
    daemon
        .gantry(&["push", "--platform", "linux/riscv64", &goal("one")])
        .run()
        .exits(1)
        .complains("linux/riscv64");
    // When not all of it is here, what is for this machine goes.
    daemon.ok(&["rmi", "--platform", OTHER, &goal("one")]);
    daemon.ok(&["push", &goal("one")]);
    assert_eq!(raw(&goal("one"))["mediaType"], MANIFEST);
    assert_eq!(architecture_of(&daemon, &[&goal("one")]), ours);

    let elsewhere = Daemon::start();
    elsewhere.ok(&["pull", "-q", "--platform", OTHER, &goal("all")]);
    elsewhere.ok(&["pull", "-q", &goal("all")]);
    assert_eq!(runs(&elsewhere, &["--platform", OTHER, &goal("all")]), other);
    let archive = elsewhere.scratch("both.tar");
    let path = archive.to_str().unwrap();
    elsewhere.ok(&["save", "-o", path, &goal("all")]);
    let third = Daemon::start();
    let loaded = third.ok(&["load", "-i", path]);
    assert_eq!(loaded, format!("Loaded image: {}", goal("all")));
    assert_eq!(runs(&third, &[&goal("all")]), ours);
    assert_eq!(runs(&third, &["--platform", OTHER, &goal("all")]), other);
    third.ok(&["rmi", &goal("all")]);
    third.ok(&["load", "--platform", OTHER, "-i", path]);
    assert_eq!(architecture_of(&third, &[&goal("all")]), other);
    let one = elsewhere.scratch("one.tar");
    elsewhere.ok(&["save", "--platform", OTHER, "-o", one.to_str().unwrap(), &goal("all")]);
    third.ok(&["rmi", &goal("all")]);
    third.ok(&["load", "-i", one.to_str().unwrap()]);
    assert_eq!(architecture_of(&third, &[&goal("all")]), other);
}

//! Signature policies: what a daemon with one lets in, with real registries, keys and signatures of openssl's, and skopeo
//! as the other reader of the same policies.

mod lies;

use std::fs;
use std::path::{Path, PathBuf};

use gantry_testkit::{
    Binaries, Daemon, Image, Invocation, Layer, Options, Registry, busybox_layer, http_at, sha256,
};
use serde_json::{Value, json};

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const ARTIFACT_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// A publisher with a registry and a key, and a daemon of somebody who trusts that key alone.
struct Scene {
    registry: Registry,
    publisher: Daemon,
    reader: Daemon,
    folder: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let (registry, publisher) = (Registry::open(), Daemon::start());
        let folder = publisher.scratch("keys");
        fs::create_dir(&folder).unwrap();
        key(&folder, "ours");
        key(&folder, "theirs");
        let scope = registry.address();
        let policy = json!({
            "default": [{ "type": "reject" }],
            "transports": { "docker": {
                scope: [{ "type": "sigstoreSigned", "keyPath": folder.join("ours.pub") }],
                format!("{scope}/open"): [{ "type": "insecureAcceptAnything" }],
                format!("{scope}/closed"): [{ "type": "reject" }],
            } },
        });
        let reader = daemon_with(&folder, &policy);
        reader.start_again();
        Self { registry, publisher, reader, folder }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.address())
    }

    /// Publishes an image whose own file says `text`; the digest of its manifest.
    fn publish(&self, rest: &str, text: &str) -> String {
        let name = self.name(rest);
        self.publisher.load(&image(&name, text));
        let pushed = self.publisher.ok(&["push", &name]);
        let digest = pushed.lines().last().unwrap().split(' ').nth(2).unwrap();
        assert!(digest.starts_with("sha256:"), "{pushed}");
        digest.to_owned()
    }

    /// Signs, as cosign does.
    fn sign(&self, key: &str, name: &str, digest: &str) -> (String, Vec<u8>) {
        let payload = json!({
            "critical": {
                "type": "cosign container image signature",
                "image": { "docker-manifest-digest": digest },
                "identity": { "docker-reference": name },
            },
            "optional": null,
        });
        let bytes = payload.to_string().into_bytes();
        let key = self.folder.join(format!("{key}.key"));
        let message = self.folder.join("message");
        fs::write(&message, &bytes).unwrap();
        let signature = Invocation::new("sh")
            .args(["-c", "openssl dgst -sha256 -sign \"$0\" \"$1\" | base64 -w0"])
            .args([&key, &message])
            .run()
            .success();
        (signature, bytes)
    }

    /// The manifest that carries signatures, its blobs in place.
    fn carrier(&self, repository: &str, signatures: &[(String, Vec<u8>)]) -> Value {
        let config = json!({ "architecture": "", "os": "" }).to_string().into_bytes();
        let config_digest = self.registry.put_blob(repository, &config);
        let layers: Vec<Value> = signatures
            .iter()
            .map(|(signature, payload)| {
                json!({
                    "mediaType": PAYLOAD_TYPE,
                    "digest": self.registry.put_blob(repository, payload),
                    "size": payload.len(),
                    "annotations": { "dev.cosignproject.cosign/signature": signature },
                })
            })
            .collect();
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config_digest,
                "size": config.len(),
            },
            "layers": layers,
        })
    }

    /// Attaches a signature by cosign's tag.
    fn attach(&self, repository: &str, digest: &str, signature: (String, Vec<u8>)) {
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let carrier = self.carrier(repository, &[signature]);
        self.registry.put_manifest((repository, &tag), &carrier);
    }

    #[track_caller]
    fn refuses(&self, name: &str, reason: &str) {
        let before = self.reader.ok(&["images", "-aq", "--no-trunc"]);
        self.reader.gantry(&["pull", name]).run().exits(1).complains(reason).plainly();
        assert_eq!(self.reader.ok(&["images", "-aq", "--no-trunc"]), before);
        assert_eq!(files_below(&self.reader.data_root().join("ingest")), 0);
    }
}

/// A daemon that is not running yet, with this policy.
fn daemon_with(folder: &Path, policy: &Value) -> Daemon {
    let path = folder.join(format!("policy-{}.json", sha256(policy.to_string().as_bytes())));
    fs::write(&path, policy.to_string()).unwrap();
    let flags = vec!["--signature-policy".to_owned(), path.display().to_string()];
    Daemon::prepare(Options { flags, ..Options::default() })
}

fn key(folder: &Path, name: &str) {
    let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
    let make = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out \"$0\" \
                && openssl pkey -in \"$0\" -pubout -out \"$1\"";
    Invocation::new("sh").args(["-c", make, &private, &public]).current_dir(folder).run().success();
}

fn image(name: &str, text: &str) -> Image {
    let own = gantry_testkit::Tar::new().file("own", 0o644, text.as_bytes()).finish();
    let layer = |tar| Layer { tar, gzip: true };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(own)],
        config: json!({ "Cmd": ["cat", "/own"] }),
    }
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |path: PathBuf| if path.is_dir() { files_below(&path) } else { 1 };
    entries.flatten().map(|entry| count(entry.path())).sum()
}

#[test]
fn only_what_is_signed_comes_in() {
    let scene = Scene::new();
    let name = scene.name("app:1");
    let digest = scene.publish("app:1", "first");
    let key = scene.folder.join("ours.pub");
    let blobs = files_below(&scene.reader.data_root().join("blobs"));
    let missing = format!(
        "no signature by key {} on {}@{digest} (policy {}",
        key.display(),
        scene.name("app"),
        scene.folder.display(),
    );
    scene.refuses(&name, &missing);
    scene.refuses(&name, &format!("scope {}): the registry has no", scene.registry.address()));
    let run = scene.reader.gantry(&["run", "--rm", "--network", "none", &name]).run();
    run.exits(125).complains("no signature by key");
    scene.reader.docker(&["pull", &name]).run().exits(1).complains("no signature by key");
    assert_eq!(files_below(&scene.reader.data_root().join("blobs")), blobs);

    scene.attach("app", &digest, scene.sign("ours", &name, &digest));
    assert_eq!(scene.reader.ok(&["run", "--rm", "--network", "none", &name]), "first");
    scene.reader.ok(&["pull", &format!("{}@{digest}", scene.name("app"))]);

    // The tag moves on, the signature does not.
    let moved = scene.publish("app:1", "second");
    scene.refuses(&name, &format!("{}@{moved}", scene.name("app")));
    assert_eq!(scene.reader.ok(&["run", "--rm", "--network", "none", &name]), "first");
}

#[test]
fn signatures_for_something_else_do_not_count() {
    let scene = Scene::new();
    let name = scene.name("app:1");
    let digest = scene.publish("app:1", "text");
    let other = format!("sha256:{}", sha256(b"other"));
    for (key, signed_name, signed_digest, reason) in [
        ("theirs", &name, &digest, "1 signature does not count: 1 not by that key"),
        ("ours", &name, &other, "for the manifest sha256:"),
        ("ours", &scene.name("other:1"), &digest, "made out to \""),
        ("ours", &scene.name("app:2"), &digest, "made out to \""),
    ] {
        scene.attach("app", &digest, scene.sign(key, signed_name, signed_digest));
        scene.refuses(&name, reason);
    }
    let (signature, payload) = scene.sign("ours", &name, &digest);
    scene.attach("app", &digest, (signature.chars().rev().collect(), payload.clone()));
    scene.refuses(&name, "1 signature does not count");
    scene.attach("app", &digest, (signature.clone(), [payload.clone(), b" ".to_vec()].concat()));
    scene.refuses(&name, "not by that key");
    scene.attach("app", &digest, (signature.clone(), vec![b'x'; 100_000]));
    scene.refuses(&name, "longer than 65536 bytes");

    // The good one, in another repository: it says whose it is.
    assert_eq!(scene.publish("copy:1", "text"), digest);
    scene.attach("copy", &digest, (signature.clone(), payload.clone()));
    scene.refuses(&scene.name("copy:1"), "made out to \"");

    // Among many others, in its place.
    let mut many: Vec<_> = (0..40).map(|_| scene.sign("theirs", &name, &digest)).collect();
    many.push((signature, payload));
    let tag = format!("{}.sig", digest.replace(':', "-"));
    scene.registry.put_manifest(("app", &tag), &scene.carrier("app", &many));
    scene.reader.ok(&["pull", &name]);
}

#[test]
fn referrers_and_indexes() {
    let scene = Scene::new();
    let (repository, name) = ("multi", scene.name("multi:1"));
    let manifest = scene.publish("multi:single", "text");
    let stored = scene.stored_bytes(repository, &manifest);
    let kind = serde_json::from_slice::<Value>(&stored).unwrap()["mediaType"].clone();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{
            "mediaType": kind,
            "digest": manifest,
            "size": stored.len(),
            "platform": { "os": "linux", "architecture": architecture },
        }],
    });
    let index = scene.registry.put_manifest((repository, "1"), &index);
    scene.refuses(&name, &format!("{}@{index}", scene.name(repository)));
    // As a referrer, in the list that clients keep where the registry does not.
    let carrier = scene.carrier(repository, &[scene.sign("ours", &name, &index)]);
    let carrier_digest = format!("sha256:{}", sha256(carrier.to_string().as_bytes()));
    scene.registry.put_manifest((repository, &carrier_digest), &carrier);
    let list = json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{
            "mediaType": MANIFEST_TYPE,
            "digest": carrier_digest,
            "size": carrier.to_string().len(),
            "artifactType": ARTIFACT_TYPE,
        }],
    });
    scene.registry.put_manifest((repository, &index.replace(':', "-")), &list);
    scene.reader.ok(&["pull", &name]);
    assert_eq!(scene.reader.ok(&["run", "--rm", "--network", "none", &name]), "text");
    // The signature of an index is none of the manifest under another name.
    scene.refuses(&scene.name("multi:single"), "no signature");
    scene.attach(repository, &manifest, scene.sign("ours", &name, &manifest));
    scene.refuses(&scene.name("multi:single"), "made out to");
}

impl Scene {
    fn stored_bytes(&self, repository: &str, digest: &str) -> Vec<u8> {
        let target = format!("/v2/{repository}/manifests/{digest}");
        let reply = http_at(self.registry.address(), ("GET", &target), ("", &[]));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body
    }
}

#[test]
fn scopes_decide_for_us_as_for_skopeo() {
    let scene = Scene::new();
    let names = ["open/a:1", "open/b/c:1", "opened:1", "closed/a:1", "app:1"];
    for name in names {
        scene.publish(name, "text");
    }
    let accept = json!([{ "type": "insecureAcceptAnything" }]);
    let reject = json!([{ "type": "reject" }]);
    let address = scene.registry.address();
    let under = |rest: &str| format!("{address}{rest}");
    let policies = [
        json!({ "default": accept }),
        json!({ "default": reject }),
        json!({ "default": reject, "transports": { "docker": {
            under(""): accept, under("/open"): reject, under("/open/b"): accept } } }),
        json!({ "default": accept, "transports": { "docker": {
            "": reject, under("/open/a:1"): accept, under("/closed"): accept } } }),
        json!({ "default": accept, "transports": { "docker": {
            under("/app:1"): reject, under("/opened"): reject } } }),
        // Understood by neither.
        json!({ "default": [] }),
        json!({ "default": [{ "type": "perhaps" }] }),
        json!({ "default": accept, "more": {} }),
        json!({ "default": [{ "type": "reject", "keyPath": "/x" }] }),
    ];
    for policy in policies {
        let daemon = daemon_with(&scene.folder, &policy);
        let started = daemon.try_start();
        let file = scene.folder.join("skopeo.json");
        fs::write(&file, policy.to_string()).unwrap();
        // Where the policy itself is refused, one name is enough.
        let asked = if started.is_ok() { &names[..] } else { &names[..1] };
        for name in asked {
            let from = format!("docker://{}", scene.name(name));
            let to = format!("dir:{}", scene.folder.join("copy").display());
            let file = file.display().to_string();
            let words = ["--policy", &file, "copy", "--src-tls-verify=false", &from, &to];
            let theirs = scene.registry.skopeo(&words).run().code == 0;
            let ours = started.is_ok() && {
                let outcome = daemon.gantry(&["pull", "-q", &scene.name(name)]).run();
                assert!(outcome.code == 0 || outcome.stderr.contains("is rejected"), "{outcome}");
                outcome.code == 0
            };
            assert_eq!(ours, theirs, "{policy} {name}");
        }
    }
}

#[test]
fn a_policy_that_is_not_understood_keeps_the_daemon_from_starting() {
    let scene = Scene::new();
    for (policy, reason) in [
        (json!({ "default": [{ "type": "signedBy", "keyType": "GPGKeys" }] }), "default[0]"),
        (json!({ "default": [{ "type": "sigstoreSigned" }] }), "exactly one of keyPath"),
        (json!({ "defaults": [] }), "unknown field `defaults`"),
    ] {
        let log = daemon_with(&scene.folder, &policy).try_start().unwrap_err();
        assert!(log.contains(reason) && log.contains("policy-"), "{reason}: {log}");
    }
    // The same by daemon.json; a relative path would depend on where the daemon is started.
    let file = scene.folder.join("daemon.json");
    for (path, reason) in
        [("policy.json", "must be an absolute path"), ("/none/p.json", "/none/p.json")]
    {
        fs::write(&file, json!({ "signature-policy": path }).to_string()).unwrap();
        let flags = vec!["--config-file".to_owned(), file.display().to_string()];
        let daemon = Daemon::prepare(Options { flags, ..Options::default() });
        let log = daemon.try_start().unwrap_err();
        assert!(log.contains(reason), "{reason}: {log}");
    }
    let help = Invocation::new(Binaries::find().path("gantryd")).args(["--help"]).run().success();
    assert!(help.contains("--signature-policy <FILE>"), "{help}");
}

#[test]
fn what_does_not_come_from_a_registry_is_not_judged() {
    let scene = Scene::new();
    scene.reader.load(&image("loaded:1", "by hand"));
    assert_eq!(scene.reader.ok(&["run", "--rm", "--network", "none", "loaded:1"]), "by hand");
    scene.publish("open/a:1", "text");
    scene.reader.ok(&["pull", &scene.name("open/a:1")]);
    scene.publish("closed/a:1", "text");
    scene.refuses(&scene.name("closed/a:1"), "is rejected by the signature policy");
}

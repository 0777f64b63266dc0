//! Signatures that count, and those that an attacker, a copy or an accident brings.

use gantry_oci::image::Descriptor;
use gantry_types::{Digest, ErrorKind, ImageReference};
use serde_json::json;

use crate::rig::{ANNOTATION, P256, PAYLOAD_TYPE, Repository, Rig, payload, sha256};

/// A policy that asks for one key's signature, and the image that it is about.
struct Scene {
    rig: Rig,
    digest: Digest,
    identity: serde_json::Value,
}

impl Scene {
    fn new() -> Self {
        let rig = Rig::new();
        rig.key("k", P256);
        let identity = json!({ "type": "matchRepoDigestOrExact" });
        Self { rig, digest: sha256(b"the manifest"), identity }
    }

    fn signed(&self, repository: &mut Repository, text: &[u8]) -> Descriptor {
        repository.signed(text, &self.rig.sign("k", P256, text))
    }

    fn judge(&self, repository: &Repository) -> Result<(), String> {
        self.judge_as("r.example/a:1", std::slice::from_ref(&self.digest), repository)
    }

    fn judge_as(
        &self,
        name: &str,
        documents: &[Digest],
        repository: &Repository,
    ) -> Result<(), String> {
        let key = self.rig.path("k.pub");
        let wanted = json!([
            { "type": "sigstoreSigned", "keyPath": key, "signedIdentity": self.identity }
        ]);
        let policy = self.rig.policy(&wanted).unwrap();
        let image: ImageReference = name.parse().unwrap();
        policy.rules(&image).judge(documents, repository).map_err(|error| error.to_string())
    }
}

#[test]
fn by_tag_or_as_a_referrer() {
    let scene = Scene::new();
    let good = payload("r.example/a:1", &scene.digest);
    let mut by_tag = Repository::default();
    let layer = scene.signed(&mut by_tag, &good);
    by_tag.attach(&scene.digest, vec![layer.clone()]);
    scene.judge(&by_tag).unwrap();
    assert!(!by_tag.asked.borrow().iter().any(|asked| asked.starts_with("referrers")));

    let mut referred = Repository { blobs: by_tag.blobs.clone(), ..Repository::default() };
    referred.refer(&scene.digest, vec![layer]);
    scene.judge(&referred).unwrap();
}

#[test]
fn an_index_speaks_for_what_it_lists() {
    let scene = Scene::new();
    let index = sha256(b"the index");
    let documents = [index.clone(), scene.digest.clone()];
    for signed in &documents {
        let mut repository = Repository::default();
        let layer = scene.signed(&mut repository, &payload("r.example/a:1", signed));
        repository.attach(signed, vec![layer]);
        scene.judge_as("r.example/a:1", &documents, &repository).unwrap();
    }
    // Attached to the one, made out to the other.
    let mut repository = Repository::default();
    let layer = scene.signed(&mut repository, &payload("r.example/a:1", &index));
    repository.attach(&scene.digest, vec![layer]);
    let error = scene.judge_as("r.example/a:1", &documents, &repository).unwrap_err();
    assert!(error.contains(&format!("for the manifest {index}")), "{error}");
}

#[test]
fn the_error_says_what_was_missing() {
    let scene = Scene::new();
    let error = scene.judge(&Repository::default()).unwrap_err();
    let (key, policy) = (scene.rig.path("k.pub"), scene.rig.path("policy.json"));
    assert_eq!(
        error,
        format!(
            "no signature by key {} on r.example/a@{} (policy {}, default): the registry has no signature of it",
            key.display(),
            scene.digest,
            policy.display()
        )
    );
}

#[test]
fn what_does_not_count() {
    let scene = Scene::new();
    let good = payload("r.example/a:1", &scene.digest);
    let other = sha256(b"another manifest");
    let mut repository = Repository::default();
    let cases: Vec<(Descriptor, &str)> = vec![
        (scene.signed(&mut repository, &payload("r.example/a:1", &other)), "for the manifest"),
        (scene.signed(&mut repository, &payload("r.example/b:1", &scene.digest)), "made out to"),
        (scene.signed(&mut repository, &payload("r.example/a:2", &scene.digest)), "made out to"),
        (scene.signed(&mut repository, &payload("r.example/a", &scene.digest)), "made out to"),
        (scene.signed(&mut repository, &payload("\u{1b}[31m", &scene.digest)), "\\u{1b}[31m"),
        (scene.signed(&mut repository, b"{}"), "something else (\"missing field"),
        (scene.signed(&mut repository, b"not JSON"), "something else"),
        (repository.layer(&good, "!!! no base64"), "not readable"),
        (repository.layer(&good, ""), "not by that key"),
        (repository.layer(&good, &"A".repeat(100_000)), "not readable"),
        (repository.signed(&good, b"not DER"), "not by that key"),
    ];
    for (layer, reason) in cases {
        repository.attach(&scene.digest, vec![layer]);
        let error = scene.judge(&repository).unwrap_err();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    let mut bare = scene.signed(&mut repository, &good);
    bare.annotations.remove(ANNOTATION);
    repository.attach(&scene.digest, vec![bare]);
    assert!(scene.judge(&repository).unwrap_err().contains("not readable"));
    let mut foreign = scene.signed(&mut repository, &good);
    foreign.media_type = "application/vnd.dsse.envelope.v1+json".to_owned();
    repository.attach(&scene.digest, vec![foreign]);
    assert!(scene.judge(&repository).unwrap_err().contains("has no signature of it"));
    repository.manifests.values_mut().for_each(|document| *document = b"[1]".to_vec());
    assert!(scene.judge(&repository).unwrap_err().contains("no signature manifest"));
}

#[test]
fn a_huge_payload_is_not_fetched() {
    let scene = Scene::new();
    let mut repository = Repository::default();
    let mut layer = scene.signed(&mut repository, &payload("r.example/a:1", &scene.digest));
    layer.size = 1 << 40;
    repository.attach(&scene.digest, vec![layer.clone()]);
    let error = scene.judge(&repository).unwrap_err();
    assert!(error.contains("longer than 65536 bytes"), "{error}");
    assert!(!repository.asked.borrow().contains(&layer.digest.to_string()));
}

#[test]
fn of_thousands_of_signatures_the_last_are_looked_at() {
    let scene = Scene::new();
    let good = payload("r.example/a:1", &scene.digest);
    let mut repository = Repository::default();
    let rubbish: Vec<Descriptor> = (0..5000)
        .map(|number| repository.signed(format!("rubbish {number}").as_bytes(), b"none"))
        .collect();
    let right = scene.signed(&mut repository, &good);
    let [mut first, mut last] = [rubbish.clone(), rubbish];
    last.push(right.clone());
    repository.attach(&scene.digest, last);
    scene.judge(&repository).unwrap();
    first.insert(0, right);
    repository.attach(&scene.digest, first);
    repository.asked.borrow_mut().clear();
    let error = scene.judge(&repository).unwrap_err();
    assert!(error.contains("over the limit of 256"), "{error}");
    assert!(repository.asked.borrow().len() < 300);
}

#[test]
fn what_cannot_be_fetched_is_not_what_is_not_there() {
    let scene = Scene::new();
    let mut repository = Repository::default();
    let mut layer = Descriptor::new(PAYLOAD_TYPE, sha256(b"away"), 4);
    layer.annotations.insert(ANNOTATION.to_owned(), "AAAA".to_owned());
    repository.attach(&scene.digest, vec![layer]);
    let key = scene.rig.path("k.pub");
    let policy = scene.rig.policy(&json!([{ "type": "sigstoreSigned", "keyPath": key }])).unwrap();
    let image = "r.example/a:1".parse().unwrap();
    let judged = policy.rules(&image).judge(std::slice::from_ref(&scene.digest), &repository);
    let error = judged.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().starts_with("fetch the signatures of r.example/a@"), "{error}");
}

#[test]
fn names_that_the_policy_lets_count() {
    let mut scene = Scene::new();
    let mut repository = Repository::default();
    // As cosign signs: without a tag.
    let layer = scene.signed(&mut repository, &payload("r.example/a", &scene.digest));
    repository.attach(&scene.digest, vec![layer]);
    assert!(scene.judge(&repository).is_err());
    scene.identity = json!({ "type": "matchRepository" });
    scene.judge(&repository).unwrap();
    let elsewhere = |name| scene.judge_as(name, std::slice::from_ref(&scene.digest), &repository);
    assert!(elsewhere("r.example/b:1").is_err(), "a copy in another repository");
    scene.identity = json!({ "type": "exactRepository", "dockerRepository": "r.example/a" });
    let elsewhere = |name| scene.judge_as(name, std::slice::from_ref(&scene.digest), &repository);
    elsewhere("mirror.example/a:1").unwrap();
}

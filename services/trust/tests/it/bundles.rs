//! Signatures in sigstore bundles, by key.

use gantry_types::{Digest, ImageReference};
use serde_json::json;

use crate::rig::{P256, Repository, Rig, bundle, covered, sha256, statement};

fn judge(
    rig: &Rig,
    identity: &str,
    digest: &Digest,
    repository: &Repository,
) -> Result<(), String> {
    let wanted = json!([{
        "type": "sigstoreSigned",
        "keyPath": rig.path("k.pub"),
        "signedIdentity": { "type": identity },
    }]);
    let policy = rig.policy(&wanted).unwrap();
    let image: ImageReference = "r.example/a:1".parse().unwrap();
    let documents = std::slice::from_ref(digest);
    policy.rules(&image).judge(documents, repository).map_err(|error| error.to_string())
}

#[test]
fn a_bundle_vouches_for_a_digest_and_maybe_for_a_name() {
    let rig = Rig::new();
    rig.key("k", P256);
    let digest = sha256(b"the manifest");
    let mut repository = Repository::default();
    let nameless = statement("", &digest);
    repository.bundle(&digest, &bundle(&nameless, &rig.sign("k", P256, &covered(&nameless))));
    judge(&rig, "matchDigest", &digest, &repository).unwrap();
    let error = judge(&rig, "matchRepoDigestOrExact", &digest, &repository).unwrap_err();
    assert!(error.contains("made out to no name") && error.contains("matchDigest"), "{error}");

    let named = statement("r.example/a:1", &digest);
    repository.bundle(&digest, &bundle(&named, &rig.sign("k", P256, &covered(&named))));
    judge(&rig, "matchRepoDigestOrExact", &digest, &repository).unwrap();
    let copied = statement("r.example/other:1", &digest);
    repository.bundle(&digest, &bundle(&copied, &rig.sign("k", P256, &covered(&copied))));
    let error = judge(&rig, "matchRepoDigestOrExact", &digest, &repository).unwrap_err();
    assert!(error.contains("made out to \"r.example/other:1\""), "{error}");
}

#[test]
fn what_does_not_count() {
    let rig = Rig::new();
    rig.key("k", P256);
    let digest = sha256(b"the manifest");
    let good = statement("", &digest);
    let sign = |bytes: &[u8]| rig.sign("k", P256, &covered(bytes));
    let other = statement("", &sha256(b"another manifest"));
    let provenance = String::from_utf8(good.clone())
        .unwrap()
        .replace("https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1")
        .into_bytes();
    let mut no_envelope = bundle(&good, &sign(&good));
    no_envelope["dsseEnvelope"] = json!(null);
    let mut other_type = bundle(&good, &sign(&good));
    other_type["dsseEnvelope"]["payloadType"] = json!("text/plain");
    let mut broken = bundle(&good, &sign(&good));
    broken["dsseEnvelope"]["payload"] = json!("!!!");
    for (bundle, reason) in [
        (bundle(&other, &sign(&other)), "for the manifest"),
        (bundle(&other, &sign(&good)), "not by that key"),
        // Signed as it is, without the envelope.
        (bundle(&good, &rig.sign("k", P256, &good)), "not by that key"),
        (bundle(&provenance, &sign(&provenance)), "something else"),
        (bundle(b"{}", &sign(b"{}")), "something else"),
        (no_envelope, "not readable"),
        (other_type, "not readable"),
        (broken, "not readable"),
    ] {
        let mut repository = Repository::default();
        repository.bundle(&digest, &bundle);
        let error = judge(&rig, "matchDigest", &digest, &repository).unwrap_err();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

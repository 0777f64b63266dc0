//! Every kind of key that may sign, and those that may not.

use gantry_types::ImageReference;
use serde_json::json;

use crate::rig::{
    ED25519, Kind, P256, P384, P521, RSA, RSA_PSS, RSA_SHORT, Repository, Rig, payload, sha256,
};

#[test]
fn every_kind_of_key_verifies_its_own_signatures_only() {
    let image: ImageReference = "r.example/a:1".parse().unwrap();
    let digest = sha256(b"the manifest");
    let signed = payload("r.example/a:1", &digest);
    let kinds: [(&str, Kind); 5] =
        [("p256", P256), ("p384", P384), ("rsa", RSA), ("pss", RSA_PSS), ("ed25519", ED25519)];
    let rig = Rig::new();
    for (name, kind) in kinds {
        let key = rig.key(name, kind);
        rig.key("stranger", kind);
        let policy = rig.policy(&json!([{ "type": "sigstoreSigned", "keyPath": key }])).unwrap();
        let judge = |signature: &[u8]| {
            let mut repository = Repository::default();
            let layer = repository.signed(&signed, signature);
            repository.attach(&digest, vec![layer]);
            policy.rules(&image).judge(std::slice::from_ref(&digest), &repository)
        };
        judge(&rig.sign(name, kind, &signed)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let error = judge(&rig.sign("stranger", kind, &signed)).unwrap_err();
        assert!(error.to_string().contains("not by that key"), "{name}: {error}");
        let mut other = rig.sign(name, kind, &signed);
        *other.last_mut().unwrap() ^= 1;
        assert!(judge(&other).is_err(), "{name}");
        assert!(judge(b"").is_err(), "{name}");
        assert!(judge(&rig.sign(name, kind, b"another text")).is_err(), "{name}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_named_when_the_policy_is_read() {
    let rig = Rig::new();
    let good = rig.key("good", P256);
    let pem = std::fs::read_to_string(&good).unwrap();
    let cases = [
        (rig.key("p521", P521), "kind that is not supported"),
        (rig.key("short", RSA_SHORT), "2048 bits at least"),
        (rig.write("empty", ""), "no section PUBLIC KEY"),
        (rig.write("text", "hello"), "no section PUBLIC KEY"),
        (rig.write("two", format!("{pem}{pem}")), "more than one key"),
        (rig.write("cut", &pem[..pem.len() - 40]), "no PEM"),
        (rig.path("good.key").display().to_string(), "no section PUBLIC KEY"),
        (rig.path("missing.pub").display().to_string(), "No such file"),
        ("relative.pub".to_owned(), "must be absolute"),
        (
            rig.write("odd", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
            "no SubjectPublicKeyInfo",
        ),
    ];
    for (path, reason) in cases {
        let wanted = json!([{ "type": "sigstoreSigned", "keyPath": path }]);
        let error = rig.policy(&wanted).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("default[0]"), "{path}: {error}");
    }
}

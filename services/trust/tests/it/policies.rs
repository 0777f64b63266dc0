//! What may stand in a policy, and which part of it applies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_trust::Error;
use gantry_types::{ErrorKind, error_chain};
use serde_json::{Value, json};

use crate::rig::{P256, Repository, Rig, payload, sha256};

#[test]
fn mistakes_are_named_with_their_place() {
    let rig = Rig::new();
    let key = rig.key("k", P256);
    let accept = r#"[{"type":"insecureAcceptAnything"}]"#;
    let docker = |scope: &str, rest: &str| {
        format!(r#"{{"default":{accept},"transports":{{"docker":{{"{scope}":{rest}}}}}}}"#)
    };
    let only = |requirement: &str| format!(r#"{{"default":[{requirement}]}}"#);
    let signed = |more: &str| only(&format!(r#"{{"type":"sigstoreSigned",{more}}}"#));
    let with_key = |more: &str| signed(&format!(r#""keyPath":"{key}",{more}"#));
    let identity = |fields: &str| with_key(&format!(r#""signedIdentity":{{{fields}}}"#));
    let cases = [
        ("{}".to_owned(), "missing field `default`"),
        (String::new(), "EOF"),
        (r#"{"default":[]}"#.to_owned(), "default: one requirement at least"),
        (format!(r#"{{"default":{accept},"extra":1}}"#), "unknown field `extra`"),
        (format!(r#"{{"default":{accept},"default":{accept}}}"#), "duplicate field `default`"),
        (format!(r#"{{"default":{accept}}} x"#), "at the end"),
        (only(r#"{"type":"open"}"#), "default[0]: the type \"open\" is not known"),
        (only(r#"{"type":7}"#), "default[0].type"),
        (only(r#"{"type":"reject","keyPath":"/k"}"#), "keyPath does not go with the type"),
        (only(r#"{"type":"reject","why":"x"}"#), "unknown field `why`"),
        (only(r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#), "GPG"),
        (signed(r#""fulcio":{"caPath":"/x"}"#), "fulcio is not supported"),
        (with_key(r#""rekorPublicKeyPath":"/x""#), "rekorPublicKeyPath is not supported"),
        (with_key(r#""keyData":"eA==""#), "exactly one of keyPath"),
        (signed(r#""keyPaths":[]"#), "one key at least"),
        (signed(r#""keyData":"?""#), "no base64"),
        (identity(r#""type":"matchAll""#), "the type \"matchAll\" is not known"),
        (identity(r#""type":"matchExact","prefix":"a""#), "not the fields of the type"),
        (identity(r#""type":"exactReference","dockerReference":"a/b""#), "needs a tag"),
        (identity(r#""type":"exactRepository","dockerRepository":"a/b:1""#), "neither tag"),
        (identity(r#""type":"remapIdentity","prefix":"a","signedPrefix":"b.c""#), "prefix \"a\""),
        (docker("busybox", accept), "no image can fall under the scope \"busybox\""),
        (docker("docker.io", "[]"), "transports.docker.\"docker.io\": one requirement"),
        (
            docker("docker.io", r#"[{"type":"reject"},{"typ":"reject"}]"#),
            "transports.docker.docker.io[1]",
        ),
        (
            format!(
                r#"{{"default":{accept},"transports":{{"docker":{{"a.b":{accept},"a.b":{accept}}}}}}}"#
            ),
            "duplicate field `a.b`",
        ),
    ];
    for (text, wanted) in cases {
        let error = rig.document(&text).unwrap_err();
        let shown = error_chain(&error);
        assert!(shown.contains(wanted), "{text}\n{shown}\n{wanted}");
        assert!(shown.contains("policy.json"), "{shown}");
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    }
    let missing = gantry_trust::Policy::read("/nonexistent/policy.json".as_ref()).unwrap_err();
    assert!(matches!(missing, Error::Unreadable { .. }));
}

#[test]
fn other_transports_are_left_alone() {
    let policy = json!({
        "default": [{ "type": "insecureAcceptAnything" }],
        "transports": {
            "docker-daemon": { "": [{ "type": "insecureAcceptAnything" }] },
            "atomic": { "": [{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "/none" }] },
            "docker": {},
        },
    });
    let rig = Rig::new();
    let policy = rig.document(&policy.to_string()).unwrap();
    let image = "r.example/a".parse().unwrap();
    policy.rules(&image).judge(&[sha256(b"x")], &Repository::default()).unwrap();
}

#[test]
fn the_most_specific_scope_decides() {
    let accept = json!([{ "type": "insecureAcceptAnything" }]);
    let reject = json!([{ "type": "reject" }]);
    let rig = Rig::new();
    let policy = json!({
        "default": reject,
        "transports": { "docker": {
            "r.example": accept,
            "r.example/a": reject,
            "r.example/a/b": accept,
            "r.example/a/b:old": reject,
            "*.corp.example": accept,
            "x.corp.example": reject,
        } },
    });
    let policy = rig.document(&policy.to_string()).unwrap();
    let cases = [
        ("r.example/z", Ok(())),
        ("r.example/a", Err("scope r.example/a)")),
        ("r.example/a:1", Err("scope r.example/a)")),
        ("r.example/a/b", Ok(())),
        ("r.example/a/b:old", Err("scope r.example/a/b:old)")),
        ("r.example/ab", Ok(())),
        ("r.example:5000/z", Err("default)")),
        ("y.corp.example/z", Ok(())),
        ("y.z.corp.example:5000/z", Ok(())),
        ("x.corp.example/z", Err("scope x.corp.example)")),
        ("busybox", Err("default)")),
    ];
    for (image, expected) in cases {
        let digest = sha256(b"x");
        let rules = policy.rules(&image.parse().unwrap());
        match (rules.judge(&[digest], &Repository::default()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(scope)) => {
                let text = error.to_string();
                assert!(text.contains(scope) && text.contains("is rejected"), "{image}: {text}");
                assert_eq!(error.kind(), ErrorKind::Forbidden);
            }
            (got, _) => panic!("{image}: {got:?}"),
        }
    }
}

#[test]
fn nothing_is_asked_for_where_no_signature_is_wanted() {
    let rig = Rig::new();
    let policy = rig.policy(&json!([{ "type": "insecureAcceptAnything" }])).unwrap();
    let repository = Repository::default();
    let image = "r.example/a".parse().unwrap();
    policy.rules(&image).judge(&[sha256(b"x")], &repository).unwrap();
    assert!(repository.asked.borrow().is_empty());
}

#[test]
fn several_keys_are_alternatives_and_several_requirements_are_not() {
    let rig = Rig::new();
    let [a, b] = ["a", "b"].map(|name| rig.key(name, P256));
    let data = STANDARD.encode(std::fs::read(&b).unwrap());
    let need = |fields: Value| {
        let mut entry = json!({ "type": "sigstoreSigned" });
        entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        entry
    };
    let digest = sha256(b"m");
    let signed = payload("r.example/a:1", &digest);
    let judge = |requirements: Value, signers: &[&str]| {
        let mut repository = Repository::default();
        let layers = signers
            .iter()
            .map(|signer| repository.signed(&signed, &rig.sign(signer, P256, &signed)))
            .collect();
        repository.attach(&digest, layers);
        let policy = rig.policy(&requirements).unwrap();
        let image = "r.example/a:1".parse().unwrap();
        let judged = policy.rules(&image).judge(std::slice::from_ref(&digest), &repository);
        // The payload is the same for all signers.
        let asked = repository.asked.borrow();
        let fetched = asked.iter().filter(|name| name.starts_with("sha256:")).count();
        assert!(fetched <= 1, "{fetched}");
        judged
    };
    let either = json!([need(json!({ "keyPaths": [a, b] }))]);
    judge(either.clone(), &["a"]).unwrap();
    judge(either.clone(), &["b"]).unwrap();
    let error = judge(either, &[]).unwrap_err().to_string();
    assert!(error.contains(&format!("one of the keys {a}, {b}")), "{error}");
    let both = json!([need(json!({ "keyPath": a })), need(json!({ "keyDatas": [data] }))]);
    judge(both.clone(), &["b", "a"]).unwrap();
    let error = judge(both, &["a"]).unwrap_err().to_string();
    assert!(error.starts_with("no signature by key sha256:"), "{error}");
}

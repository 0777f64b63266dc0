//! Who refers to a manifest: asked by the API, or found under the tag that stands in for it.

use gantry_registry_client::{Access, Error};

use super::server::{Reply, Server, sha256};

const KIND: &str = "application/vnd.example.signature+json";

fn index(kinds: &[&str]) -> String {
    let entry = |kind: &&str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"{}","artifactType":"{kind}"}}"#,
            sha256(kind.as_bytes())
        )
    };
    let entries: Vec<String> = kinds.iter().map(entry).collect();
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
}

#[test]
fn all_pages_of_one_type() {
    let server = Server::new(|request| {
        if request.target.contains("page=2") {
            return Reply::new(200, index(&[KIND]));
        }
        assert!(
            request.target.ends_with("?artifactType=application%2Fvnd.example.signature%2Bjson")
        );
        Reply::new(200, index(&["other", KIND]))
            .with("Link", "</v2/a/b/referrers/x?page=2>; rel=\"next\"")
    });
    let found = server.repository(Access::Pull).referrers(&sha256(b"m"), KIND).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|referrer| referrer.artifact_type.as_deref() == Some(KIND)));
}

#[test]
fn by_the_tag_where_the_api_is_missing() {
    let digest = sha256(b"m");
    let tag = format!("manifests/sha256-{}", digest.hex());
    let server = Server::new(move |request| {
        if request.target.ends_with(&tag) {
            Reply::new(200, index(&[KIND, "other"]))
        } else {
            Reply::new(404, "")
        }
    });
    let found = server.repository(Access::Pull).referrers(&digest, KIND).unwrap();
    assert_eq!(found.len(), 1);
    let none = Server::new(|_| Reply::new(404, ""));
    assert!(none.repository(Access::Pull).referrers(&digest, KIND).unwrap().is_empty());
}

#[test]
fn a_refusal_is_not_an_empty_list() {
    let server = Server::new(|_| Reply::new(403, ""));
    let error = server.repository(Access::Pull).referrers(&sha256(b"m"), KIND).unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    let endless = Server::new(|request| {
        let next = format!("<{}&more>; rel=\"next\"", request.target);
        Reply::new(200, index(&[KIND])).with("Link", next)
    });
    let found = endless.repository(Access::Pull).referrers(&sha256(b"m"), KIND).unwrap();
    assert_eq!(found.len(), 16);
}

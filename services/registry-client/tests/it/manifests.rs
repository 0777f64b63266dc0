//! Manifests: what is asked, and what is believed.

use gantry_registry_client::{Access, Document, Error};
use gantry_types::ErrorKind;

use super::server::{Reply, Server, sha256};

const MANIFEST: &str = r#"{"schemaVersion":2}"#;
const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest_of(reply: Reply) -> Result<Document, Error> {
    Server::new(move |_| reply.clone()).repository(Access::Pull).manifest("t")
}

#[test]
fn a_manifest_by_tag_and_by_digest() {
    let server = Server::new(|request| {
        assert!(request.header("accept").unwrap().contains("manifest.list.v2"));
        Reply::new(200, MANIFEST).with("Content-Type", format!("{KIND}; charset=utf-8"))
    });
    let repository = server.repository(Access::Pull);
    let document = repository.manifest("t").unwrap();
    assert_eq!(
        (document.media_type.as_str(), document.bytes.as_slice()),
        (KIND, MANIFEST.as_bytes())
    );
    assert_eq!(document.digest, sha256(MANIFEST.as_bytes()));
    assert_eq!(repository.manifest(document.digest.as_str()).unwrap(), document);
    assert_eq!(server.count("/v2/a/b/manifests/t"), 1);
}

#[test]
fn another_manifest_than_asked_for_is_not_taken() {
    let server = Server::new(|_| Reply::new(200, MANIFEST));
    let other = sha256(b"other");
    let error = server.repository(Access::Pull).manifest(other.as_str()).unwrap_err();
    assert!(
        matches!(&error, Error::DigestMismatch { expected, .. } if *expected == other),
        "{error}"
    );
    let claimed = Reply::new(200, MANIFEST).with("Docker-Content-Digest", other.to_string());
    assert!(matches!(manifest_of(claimed), Err(Error::DigestMismatch { .. })));
}

#[test]
fn a_missing_manifest_has_docker_s_text() {
    let refusal = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    let error = manifest_of(Reply::new(404, refusal)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.ends_with("/a/b:t not found: manifest unknown: manifest unknown"), "{text}");
}

#[test]
fn pages_for_people_and_endless_documents_are_refused() {
    let page = Reply::new(200, "<html>log in first</html>").with("Content-Type", "text/html");
    let error = manifest_of(page).unwrap_err().to_string();
    assert!(error.contains("no manifest but \"text/html\""), "{error}");
    let huge = Reply::new(200, vec![b' '; 5 << 20]);
    let error = manifest_of(huge).unwrap_err().to_string();
    assert!(error.contains("longer than 4194304 bytes"), "{error}");
}

#[test]
fn redirects_have_an_end() {
    let error =
        manifest_of(Reply::new(307, "").with("Location", "/v2/a/b/manifests/t")).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
}

#[test]
fn passing_failures_are_tried_again_and_limits_are_shown() {
    let server = Server::new({
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |_| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Reply::new(503, ""),
            1 => Reply::new(429, "").with("Retry-After", "0"),
            _ => Reply::new(200, MANIFEST),
        }
    });
    assert!(server.repository(Access::Pull).manifest("t").is_ok());
    let refusal =
        r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"you have reached your limit"}]}"#;
    let error = manifest_of(Reply::new(429, refusal).with("Retry-After", "3600")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "toomanyrequests: toomanyrequests: you have reached your limit (try again in 3600 s)"
    );
}

#[test]
fn tags_come_in_pages() {
    let server = Server::new(|request| {
        if request.target.contains("last=") {
            return Reply::new(200, r#"{"name":"a/b","tags":["z"]}"#);
        }
        Reply::new(200, r#"{"name":"a/b","tags":["x","y"]}"#)
            .with("Link", "</v2/a/b/tags/list?last=y&n=100>; rel=\"next\"")
    });
    assert_eq!(server.repository(Access::Pull).tags().unwrap(), ["x", "y", "z"]);
    let none = Server::new(|_| Reply::new(200, r#"{"name":"a/b","tags":null}"#));
    assert!(none.repository(Access::Pull).tags().unwrap().is_empty());
}

#[test]
fn what_a_tag_leads_to_is_known_only_where_the_registry_says_it() {
    let document = Document::new(KIND, MANIFEST.into());
    let digest = document.digest.to_string();
    for (status, kind, said, expected) in [
        (200, KIND, Some(digest.clone()), true),
        (200, KIND, Some(sha256(b"other").to_string()), false),
        (200, "application/json", Some(digest.clone()), false),
        (200, KIND, None, false),
        (404, KIND, Some(digest.clone()), false),
        (405, KIND, None, false),
    ] {
        let server = Server::new(move |request| {
            assert_eq!(request.header("accept"), Some(KIND));
            let reply = Reply::new(status, "").with("Content-Type", kind);
            match &said {
                Some(digest) => reply.with("Docker-Content-Digest", digest),
                None => reply,
            }
        });
        let repository = server.repository(Access::Push);
        assert_eq!(repository.has_manifest("t", &document), expected, "{status} {kind}");
    }
}

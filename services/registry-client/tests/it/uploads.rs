//! Blobs and manifests on their way to a registry.

use std::io::{self, Read};

use gantry_registry_client::{Access, Document, Error, Uploaded};

use super::server::{Reply, Request, Server, sha256};

const CONTENT: &[u8] = b"layer";

fn upload(server: &Server, mount_from: Option<&str>) -> Result<Uploaded, Error> {
    let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(CONTENT)) };
    server.repository(Access::Push).upload_blob(&sha256(CONTENT), 5, mount_from, &open)
}

fn takes(request: &Request) -> Reply {
    match request.method.as_str() {
        "HEAD" => Reply::new(404, ""),
        "POST" => Reply::new(202, "").with("Location", "/v2/a/b/blobs/uploads/1?state=x"),
        "PUT" => {
            assert_eq!(request.body, CONTENT);
            assert!(request.target.contains("state=x&digest=sha256:"), "{}", request.target);
            Reply::new(201, "")
        }
        other => Reply::new(405, other.as_bytes()),
    }
}

#[test]
fn a_blob_is_sent_once() {
    let server = Server::new(takes);
    assert_eq!(upload(&server, None).unwrap(), Uploaded::Sent);
    let has = Server::new(|_| Reply::new(200, ""));
    assert_eq!(upload(&has, None).unwrap(), Uploaded::Existed);
    assert_eq!(has.requests().len(), 1);
}

#[test]
fn a_blob_of_another_repository_is_mounted() {
    let server = Server::new(|request| match request.method.as_str() {
        "POST"
            if request.target.contains("mount=sha256:") && request.target.contains("from=x/y") =>
        {
            Reply::new(201, "")
        }
        _ => Reply::new(404, ""),
    });
    assert_eq!(upload(&server, Some("x/y")).unwrap(), Uploaded::Mounted);
    // A registry that cannot mount it begins an upload instead.
    assert_eq!(upload(&Server::new(takes), Some("x/y")).unwrap(), Uploaded::Sent);
}

#[test]
fn a_lost_session_begins_again() {
    let server = Server::new({
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |request| {
            let is_put = request.method == "PUT";
            if is_put && count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                return Reply::new(404, r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#);
            }
            takes(request)
        }
    });
    assert_eq!(upload(&server, None).unwrap(), Uploaded::Sent);
    assert_eq!(server.requests().iter().filter(|request| request.method == "POST").count(), 2);
}

#[test]
fn refusals_are_told() {
    let denied =
        Server::new(|_| Reply::new(403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#));
    let error = upload(&denied, None).unwrap_err();
    assert!(matches!(error, Error::Denied { action: "push", .. }), "{error}");
    let nowhere = Server::new(|request| match request.method.as_str() {
        "POST" => Reply::new(202, ""),
        _ => Reply::new(404, ""),
    });
    let error = upload(&nowhere, None).unwrap_err().to_string();
    assert!(error.contains("does not say where to send"), "{error}");
}

#[test]
fn a_manifest_is_put() {
    let server = Server::new(|request| {
        assert_eq!((request.method.as_str(), request.header("content-type")), ("PUT", Some("k")));
        Reply::new(201, "")
    });
    let bytes = b"{}".to_vec();
    let document = Document { media_type: "k".to_owned(), digest: sha256(&bytes), bytes };
    server.repository(Access::Push).put_manifest("t", &document).unwrap();
    assert_eq!(server.count("/v2/a/b/manifests/t"), 1);
}

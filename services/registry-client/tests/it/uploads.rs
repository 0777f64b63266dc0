//! Blobs and manifests on their way to a registry.

use std::io::{self, Read};
use std::sync::Mutex;

use gantry_registry_client::{Access, Document, Error, Uploaded};

use super::server::{Reply, Request, Server, sha256};

const CONTENT: &[u8] = b"layer";

fn upload(server: &Server, mount_from: Option<&str>) -> Result<Uploaded, Error> {
    server.repository(Access::Push).upload_blob(&sha256(CONTENT), 5, mount_from, &open)
}

fn open(from: u64) -> io::Result<Box<dyn Read + Send>> {
    let rest = usize::try_from(from).ok().and_then(|from| CONTENT.get(from..));
    Ok(Box::new(rest.ok_or(io::ErrorKind::UnexpectedEof)?))
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

/// A registry that keeps what comes in of one session, and breaks off as `whole` says.
fn keeping(whole: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    let kept = Mutex::new(CONTENT[..2].to_vec());
    Server::new(move |request| {
        let mut kept = kept.lock().unwrap();
        let place = |reply: Reply| reply.with("Location", "/v2/a/b/blobs/uploads/1");
        match request.method.as_str() {
            "HEAD" => Reply::new(404, ""),
            "POST" => place(Reply::new(202, "")),
            "GET" if kept.is_empty() => Reply::new(404, ""),
            "GET" => place(Reply::new(204, "")).with("Range", format!("0-{}", kept.len() - 1)),
            "PATCH" => {
                let range = format!("{}-{}", kept.len(), kept.len() + request.body.len() - 1);
                assert_eq!(request.header("content-range"), Some(range.as_str()));
                kept.extend_from_slice(&request.body);
                place(Reply::new(202, ""))
            }
            "PUT" if request.body.is_empty() => {
                assert_eq!(*kept, CONTENT);
                Reply::new(201, "")
            }
            _ => whole(request),
        }
    })
}

#[test]
fn what_the_registry_has_kept_is_not_sent_again() {
    let server = keeping(|_| Reply::new(502, ""));
    assert_eq!(upload(&server, None).unwrap(), Uploaded::Sent);
    let patches: Vec<Request> =
        server.requests().into_iter().filter(|request| request.method == "PATCH").collect();
    assert_eq!(patches.len(), 1);
    assert_eq!(patches[0].body, &CONTENT[2..]);
}

#[test]
fn a_registry_that_takes_no_large_request_gets_chunks() {
    let server = keeping(|_| Reply::new(413, ""));
    assert_eq!(upload(&server, None).unwrap(), Uploaded::Sent);
}

#[test]
fn content_of_unknown_digest_is_streamed() {
    let server = Server::new({
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |request| match request.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", "/v2/a/b/blobs/uploads/1"),
            "PATCH" if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
                Reply::new(500, "")
            }
            "PATCH" => {
                assert_eq!(request.body, CONTENT);
                Reply::new(202, "").with("Location", "/v2/a/b/blobs/uploads/1?n=2")
            }
            "PUT" => {
                assert!(request.target.contains("?n=2&digest=sha256:"), "{}", request.target);
                Reply::new(201, "")
            }
            _ => Reply::new(404, ""),
        }
    });
    let repository = server.repository(Access::Push);
    repository.upload_stream(&open, &mut || Ok(sha256(CONTENT))).unwrap();
    let error = repository.upload_stream(&open, &mut || Err(io::Error::other("no more")));
    assert!(matches!(error, Err(Error::Source { .. })));
    let failing = |_| Err(io::Error::other("no file"));
    let before = server.requests().len();
    assert!(repository.upload_stream(&failing, &mut || Ok(sha256(CONTENT))).is_err());
    // Another attempt would fail too.
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn nothing_is_sent_to_take_over() {
    let server = Server::new(|request| match request.method.as_str() {
        "POST" => Reply::new(202, "").with("Location", "/v2/a/b/blobs/uploads/1"),
        _ => Reply::new(404, ""),
    });
    let repository = server.repository(Access::Push);
    let digest = sha256(CONTENT);
    assert_eq!(repository.take_over(&digest, None).unwrap(), None);
    assert_eq!(repository.take_over(&digest, Some("x/y")).unwrap(), None);
    let last = server.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.target.as_str()), ("DELETE", "/v2/a/b/blobs/uploads/1"));
    let has = Server::new(|_| Reply::new(200, ""));
    let found = has.repository(Access::Push).take_over(&digest, Some("x/y")).unwrap();
    assert_eq!(found, Some(Uploaded::Existed));
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

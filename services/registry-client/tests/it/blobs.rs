//! Blobs: broken connections, and registries that send something else.

use gantry_registry_client::{Access, Error};

use super::server::{Reply, Request, Server, sha256};

const CONTENT: &[u8] = b"0123456789abcdefghij";

fn fetch(server: &Server, size_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut taken = Vec::new();
    let digest = sha256(CONTENT);
    let fetched =
        server.repository(Access::Pull).fetch_blob(&digest, size_bytes, 0, &mut |piece| {
            taken.extend_from_slice(piece);
            Ok(())
        });
    fetched.map(|()| taken)
}

/// The rest of the content from where the request wants it, five bytes a connection.
fn in_pieces(request: &Request) -> Reply {
    let from = request.from().unwrap_or(0);
    let reply = if from == 0 {
        Reply::new(200, CONTENT)
    } else {
        let range = format!("bytes {from}-{}/{}", CONTENT.len() - 1, CONTENT.len());
        Reply::new(206, &CONTENT[from..]).with("Content-Range", range)
    };
    if CONTENT.len() - from > 5 { reply.cut_after(5) } else { reply }
}

#[test]
fn a_transfer_goes_on_where_it_broke_off() {
    let server = Server::new(in_pieces);
    assert_eq!(fetch(&server, 20).unwrap(), CONTENT);
    assert_eq!(server.count("/blobs/"), 4);
}

#[test]
fn a_registry_without_ranges_sends_all_again() {
    let server = Server::new({
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |_| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Reply::new(200, CONTENT).cut_after(7),
            _ => Reply::new(200, CONTENT),
        }
    });
    assert_eq!(fetch(&server, 20).unwrap(), CONTENT);
}

#[test]
fn a_blob_that_never_gets_further_is_given_up() {
    let server = Server::new(|request| match request.from() {
        None => Reply::new(200, CONTENT).cut_after(5),
        Some(_) => Reply::new(206, "").with("Content-Range", "bytes 5-19/20"),
    });
    let error = fetch(&server, 20).unwrap_err();
    assert!(matches!(error, Error::BrokeOff { got_bytes: 5, size_bytes: 20, .. }), "{error}");
}

#[test]
fn a_blob_that_is_longer_than_promised_is_cut_off() {
    let long = Server::new(|_| Reply::new(200, CONTENT).of_unknown_length());
    let error = fetch(&long, 10).unwrap_err();
    assert!(matches!(error, Error::TooLong { size_bytes: 10, .. }), "{error}");
}

#[test]
fn parts() {
    let part = |server: &Server, part: std::ops::Range<u64>| {
        let mut taken = Vec::new();
        let repository = server.repository(Access::Pull);
        let fetched = repository.fetch_part(&sha256(CONTENT), 20, part, &mut |piece| {
            taken.extend_from_slice(piece);
            Ok(())
        });
        fetched.map(|is_part| is_part.then_some(taken))
    };
    // The ends of the ranges are not looked at: more comes than asked for, and breaks off.
    let server = Server::new(|request| {
        let from = request.from().unwrap_or(0);
        let range = format!("bytes {from}-19/20");
        let reply = Reply::new(206, &CONTENT[from..]).with("Content-Range", range);
        if from == 4 { reply.cut_after(3) } else { reply }
    });
    assert_eq!(part(&server, 4..12).unwrap().unwrap(), &CONTENT[4..12]);
    assert_eq!(server.count("/blobs/"), 2);
    assert_eq!(part(&server, 0..20).unwrap().unwrap(), CONTENT);
    for status in [200, 416] {
        let whole = Server::new(move |_| Reply::new(status, CONTENT));
        assert_eq!(part(&whole, 4..12).unwrap(), None);
    }
}

#[test]
fn another_range_and_a_missing_blob_are_told() {
    let server = Server::new(|request| match request.from() {
        None => Reply::new(200, CONTENT).cut_after(5),
        Some(_) => Reply::new(206, CONTENT).with("Content-Range", "bytes 0-19/20"),
    });
    assert!(matches!(fetch(&server, 20), Err(Error::Unusable { .. })));
    let none = Server::new(|_| Reply::new(404, ""));
    assert!(matches!(fetch(&none, 20), Err(Error::NoBlob { .. })));
}

#[test]
fn a_configuration_is_checked_and_bounded() {
    let server = Server::new(|_| Reply::new(200, CONTENT));
    let repository = server.repository(Access::Pull);
    assert_eq!(repository.document_blob(&sha256(CONTENT), 20).unwrap(), CONTENT);
    let error = repository.document_blob(&sha256(b"other"), 20).unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert!(matches!(
        repository.document_blob(&sha256(CONTENT), 5 << 20),
        Err(Error::Unusable { .. })
    ));
    let empty = Server::new(|_| Reply::new(200, ""));
    assert!(empty.repository(Access::Pull).document_blob(&sha256(b""), 0).unwrap().is_empty());
}

//! The API's sockets: their rights and group, and what is not opened without a word.

use std::os::unix::fs::MetadataExt;

use tempfile::TempDir;

use crate::daemon::Places;

#[test]
fn a_socket_has_its_group_and_rights() {
    let dir = TempDir::new().unwrap();
    let second = dir.path().join("second.sock");
    let host = format!("unix://{}", second.display());
    let places = Places::below(&dir, "own").with(&["--group", "12345", "-H", &host]);
    let daemon = places.start();
    for socket in [&places.socket, &second] {
        let metadata = std::fs::metadata(socket).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.gid()), (0o660, 12345));
    }
    daemon.end();
    assert!(!second.exists());
}

#[test]
fn a_group_that_nobody_knows_is_an_error() {
    let dir = TempDir::new().unwrap();
    let said = Places::below(&dir, "own").with(&["-G", "no-such-group"]).refused();
    assert!(said.contains("to the group no-such-group: there is no such group"), "{said}");
    assert!(!dir.path().join("own").exists(), "a refused start left something");
}

#[test]
fn a_port_for_everybody_has_to_be_asked_for_by_name() {
    let dir = TempDir::new().unwrap();
    let open = Places::below(&dir, "own").with(&["-H", "tcp://0.0.0.0:0"]);
    let said = open.refused();
    assert!(said.contains("tcp://0.0.0.0:0 would give root's rights"), "{said}");
    assert!(!dir.path().join("own").exists(), "a refused start left something");
    open.with(&["--tls=false"]).start().end();
}

//! The journal's socket, and the fields of its datagrams.

use crate::{DEADLINE, message, origin, piece};
use gantry_log_drivers::Remote;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;

fn fields(mut datagram: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut fields = BTreeMap::new();
    while !datagram.is_empty() {
        let end = datagram.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
        let name = String::from_utf8(datagram[..end].to_vec()).unwrap();
        let (value, rest) = if datagram[end] == b'=' {
            let rest = &datagram[end + 1..];
            rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap())
        } else {
            let (length, rest) = datagram[end + 1..].split_first_chunk().unwrap();
            rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap())
        };
        assert_eq!(rest[0], b'\n');
        fields.insert(name, value.to_vec());
        datagram = &rest[1..];
    }
    fields
}

#[test]
fn fields_of_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let options = [("tag".to_owned(), "x".to_owned())].into();
    let remote = Remote::parse("journald", &options, path.clone()).unwrap().unwrap();
    assert!(remote.connect(&origin()).is_err(), "nobody listens yet");
    let journal = UnixDatagram::bind(&path).unwrap();
    journal.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut delivery = remote.connect(&origin()).unwrap();
    // A terminal's line has other ends within it.
    let long = vec![b'x'; 16 << 10];
    delivery.deliver(&[message(b"one"), message(b"a\nb\xff"), piece(&long, 1, false)]).unwrap();
    let receive = || {
        let mut datagram = vec![0; 100_000];
        let length = journal.recv(&mut datagram).unwrap();
        fields(&datagram[..length])
    };
    let first = receive();
    for (name, expected) in [
        ("MESSAGE", "one"),
        ("PRIORITY", "6"),
        ("CONTAINER_ID", "0123456789ab"),
        ("CONTAINER_NAME", "web"),
        ("CONTAINER_TAG", "tagged"),
        ("SYSLOG_IDENTIFIER", "tagged"),
        ("IMAGE_NAME", "busybox"),
        ("COM_EXAMPLE_TIER", "front"),
        ("SYSLOG_TIMESTAMP", "2024-03-03T00:04:05.006007008Z"),
    ] {
        assert_eq!(first[name], expected.as_bytes(), "{name}");
    }
    assert_eq!(receive()["MESSAGE"], b"a\nb\xff");
    let third = receive();
    assert_eq!((&third["MESSAGE"], &*third["PRIORITY"]), (&long, &b"3"[..]));
    assert_eq!(third["CONTAINER_PARTIAL_MESSAGE"], b"true");
    // More than any datagram holds will never get through.
    let failure = delivery.deliver(&[message(&vec![b'x'; 64 << 20])]).unwrap_err();
    assert!(failure.error.is_too_long(), "{}", failure.error);
    // The journal is started anew.
    drop(journal);
    let failure = delivery.deliver(&[message(b"two")]).unwrap_err();
    assert!(!failure.error.is_too_long(), "{}", failure.error);
}

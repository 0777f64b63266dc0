//! GELF: chunks put together again, and documents read.

use crate::{DEADLINE, connect, message, piece, read_until};
use flate2::read::{GzDecoder, ZlibDecoder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};

/// The next message of a socket, from as many packets as it takes.
fn receive(udp: &UdpSocket) -> Vec<u8> {
    let mut packet = vec![0; 65536];
    let mut chunks: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut id = None;
    loop {
        let length = udp.recv(&mut packet).unwrap();
        let packet = &packet[..length];
        if !packet.starts_with(&[0x1e, 0x0f]) {
            assert!(id.is_none(), "a whole message between chunks");
            return packet.to_vec();
        }
        assert!(length <= 1420);
        let (head, chunk) = packet.split_at(12);
        assert_eq!(*id.get_or_insert(head[2..10].to_vec()), head[2..10]);
        chunks.insert(head[10], chunk.to_vec());
        if chunks.len() == usize::from(head[11]) {
            return chunks.into_values().flatten().collect();
        }
    }
}

fn unpack(bytes: &[u8]) -> Value {
    let mut text = Vec::new();
    match bytes {
        [0x1f, 0x8b, ..] => drop(GzDecoder::new(bytes).read_to_end(&mut text).unwrap()),
        [0x78, ..] => drop(ZlibDecoder::new(bytes).read_to_end(&mut text).unwrap()),
        plain => text = plain.to_vec(),
    }
    serde_json::from_slice(&text).unwrap()
}

/// Text that does not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b'!' + u8::try_from((state >> 33) % 90).unwrap()
    };
    (0..length).map(step).collect()
}

#[test]
fn packets() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = format!("udp://{}", udp.local_addr().unwrap());
    for packing in ["gzip", "zlib", "none"] {
        let options = [("gelf-address", &*address), ("gelf-compression-type", packing)];
        let mut delivery = connect("gelf", &options);
        let long = noise(16 << 10);
        // An empty line says nothing, and is no message.
        delivery.deliver(&[message(b"one"), message(b""), piece(&long, 1, false)]).unwrap();
        let first = unpack(&receive(&udp));
        for (key, expected) in [
            ("version", "1.1"),
            ("host", "host"),
            ("short_message", "one"),
            ("_container_name", "web"),
            ("_image_name", "busybox"),
            ("_command", "sh -c true"),
            ("_tag", "tagged"),
            ("_com.example.tier", "front"),
        ] {
            assert_eq!(first[key], expected, "{key}");
        }
        assert_eq!((&first["level"], &first["timestamp"]), (&6.into(), &1_709_424_245.006.into()));
        let second = unpack(&receive(&udp));
        assert_eq!(second["level"], 3);
        assert_eq!(second["short_message"].as_str().unwrap().as_bytes(), long);
        // More than all chunks hold will never get through.
        let failure = delivery.deliver(&[message(&noise(256 << 10))]).unwrap_err();
        assert!(failure.error.is_too_long(), "{}", failure.error);
    }
}

#[test]
fn a_stream() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", tcp.local_addr().unwrap());
    let mut delivery = connect("gelf", &[("gelf-address", &address)]);
    let (mut stream, _) = tcp.accept().unwrap();
    delivery.deliver(&[message(b"one"), message(b"two\xff\0")]).unwrap();
    let bytes = read_until(&mut stream, |bytes| bytes.split(|it| *it == 0).count() == 3);
    let texts: Vec<Value> =
        bytes.split(|it| *it == 0).filter(|it| !it.is_empty()).map(unpack).collect();
    assert_eq!(texts[0]["short_message"], "one");
    assert_eq!(texts[1]["short_message"], "two\u{fffd}\0");
    drop(stream);
    assert!(delivery.deliver(&[message(b"three")]).is_err());
}

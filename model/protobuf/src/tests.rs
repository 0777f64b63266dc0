//! The wire format against bytes worked out by hand, and against hostile ones.

use std::collections::BTreeMap;

use gantry_types::Timestamp;

use super::*;

messages! {
    /// Text, alone and repeated.
    struct Mount {
        1 => kind: String,
        2 => source: String,
        3 => target: String,
        4 => options: Vec<String>,
    }

    /// A number and a time.
    struct WaitResponse {
        1 => exit_status: u32,
        2 => exited_at: Option<Timestamp>,
    }

    /// A message of messages, bytes and a map.
    struct Whole {
        1 => id: String,
        2 => mounts: Vec<Mount>,
        3 => terminal: bool,
        4 => options: Option<Mount>,
        5 => annotations: BTreeMap<String, String>,
        6 => value: Vec<u8>,
    }

    /// Many numbers, and one that may be absent.
    struct Numbers {
        4 => all: Vec<u64>,
        5 => mode: Option<u32>,
    }
}

fn check_refused<M: Message + std::fmt::Debug>(bytes: &[u8], expected: &Error) {
    assert_eq!(&M::decode(bytes).map(drop).unwrap_err(), expected, "{bytes:?}");
}

#[test]
fn fields_are_written_as_protobuf_says() {
    let mount = Mount {
        kind: "tmpfs".to_owned(),
        source: String::new(),
        target: String::new(),
        options: vec!["ro".to_owned(), String::new()],
    };
    assert_eq!(mount.encode(), b"\x0a\x05tmpfs\x22\x02ro\x22\x00");
    let wait =
        WaitResponse { exit_status: 300, exited_at: Some(Timestamp { seconds: -1, nanos: 5 }) };
    let bytes = b"\x08\xac\x02\x12\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
    assert_eq!(wait.encode(), bytes);
    assert_eq!(WaitResponse::decode(bytes), Ok(wait));
}

#[test]
fn maps_and_repeated_messages_come_back() {
    let whole = Whole {
        annotations: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())].into(),
        ..Default::default()
    };
    assert_eq!(Whole::decode(&whole.encode()), Ok(whole));
}

/// Protocols of proto2's time distinguish nothing from zero.
#[test]
fn a_zero_that_is_meant_is_written() {
    let ignore = Numbers { mode: Some(0), ..Default::default() };
    assert_eq!(ignore.encode(), [5 << 3, 0]);
    assert_eq!(Numbers::decode(&ignore.encode()), Ok(ignore));
    assert_eq!(Numbers::default().encode(), []);
}

#[test]
fn unknown_fields_of_every_type_are_passed_over() {
    let bytes = b"\xf8\x01\x07\xf9\x0112345678\xfa\x01\x02hi\xfd\x011234\x08\x05";
    assert_eq!(WaitResponse::decode(bytes).map(|wait| wait.exit_status), Ok(5));
}

#[test]
fn the_last_of_a_repeated_single_field_counts() {
    assert_eq!(WaitResponse::decode(b"\x08\x05\x08\x06").map(|wait| wait.exit_status), Ok(6));
}

#[test]
fn hostile_messages_are_refused() {
    check_refused::<WaitResponse>(b"\x08", &Error::Truncated("a varint"));
    check_refused::<WaitResponse>(&[0x80; 11], &Error::VarintOverflow);
    check_refused::<WaitResponse>(
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        &Error::VarintOverflow,
    );
    check_refused::<WaitResponse>(
        b"\x08\xff\xff\xff\xff\x1f",
        &Error::OutOfRange { field: 1, value: 0x1_ffff_ffff },
    );
    check_refused::<WaitResponse>(b"\x00\x01", &Error::FieldNumber(0));
    check_refused::<WaitResponse>(b"\x0b", &Error::WireType { field: 1, wire_type: 3 });
    check_refused::<WaitResponse>(b"\x0a\x01x", &Error::WireType { field: 1, wire_type: 2 });
    check_refused::<WaitResponse>(b"\x09123", &Error::Truncated("a fixed number"));
    check_refused::<Mount>(b"\x0a\x7fx", &Error::Truncated("a length-delimited field"));
    check_refused::<Mount>(
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
        &Error::Truncated("a length-delimited field"),
    );
    check_refused::<Mount>(b"\x0a\x02\xc3\x28", &Error::NotUtf8(1));
    // Timestamps have less than a second of nanoseconds.
    check_refused::<WaitResponse>(
        b"\x12\x06\x10\x80\x94\xeb\xdc\x03",
        &Error::OutOfRange { field: 2, value: 1_000_000_000 },
    );
    let many = b"\x22\x00".repeat(MAX_FIELDS + 1);
    check_refused::<Mount>(&many, &Error::TooManyFields(MAX_FIELDS));
}

/// Every cut and every single changed byte of a rich message: an answer or an error, never a panic.
#[test]
fn damaged_messages_never_panic() {
    let mount = Mount {
        kind: "overlay".to_owned(),
        options: vec!["x".to_owned(); 3],
        ..Default::default()
    };
    let whole = Whole {
        id: "abc".to_owned(),
        mounts: vec![mount; 2],
        terminal: true,
        value: vec![1, 2, 3],
        annotations: [("a".to_owned(), "1".to_owned())].into(),
        ..Default::default()
    }
    .encode();
    let mut refused = 0;
    for position in 0..whole.len() {
        for value in 0..=255 {
            let mut bytes = whole.clone();
            bytes[position] = value;
            refused += usize::from(Whole::decode(&bytes).is_err());
        }
        refused += usize::from(Whole::decode(&whole[..position]).is_err());
    }
    assert!(refused > 0);
}

#[test]
fn numbers_are_packed_and_understood_either_way() {
    let numbers = Numbers { all: vec![0, 1, 300, u64::MAX], ..Default::default() };
    let bytes = numbers.encode();
    assert_eq!(bytes[..6], [4 << 3 | 2, 14, 0, 1, 0xac, 2]);
    assert_eq!(Numbers::decode(&bytes), Ok(numbers));
    let single = Numbers::decode(&[4 << 3, 5, 4 << 3, 6]).unwrap();
    assert_eq!(single.all, [5, 6]);
    assert!(Numbers::decode(&[4 << 3 | 2, 1, 0x80]).is_err());
}

//! Messages that nobody should send.

use super::*;

fn header(counts: [u8; 4]) -> Vec<u8> {
    let [questions, answers, authorities, additional] = counts;
    vec![7, 7, 1, 0, 0, questions, 0, answers, 0, authorities, 0, additional]
}

fn message(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    [&header(counts), rest].concat()
}

#[track_caller]
fn check(bytes: &[u8], wanted: Fault) {
    assert_eq!(Query::parse(bytes).err(), Some(wanted), "{bytes:?}");
}

const WEB: &[u8] = b"\x03wEb\x00\x00\x01\x00\x01";

#[test]
fn a_question_is_read() {
    let bytes = message([1, 0, 0, 1], &[WEB, b"\0\0\x29\x10\x00\0\0\0\0\0\0"].concat());
    let query = Query::parse(&bytes).unwrap();
    assert_eq!((query.name.as_bytes(), query.kind, query.limit()), (&b"web"[..], 1, 4096));
    assert_eq!(query.question_end, HEADER + WEB.len());
    let root = message([1, 0, 0, 0], b"\0\0\x02\0\x01");
    assert_eq!(Query::parse(&root).unwrap().name.as_bytes(), b"");
}

#[test]
fn what_is_no_query_gets_no_answer() {
    check(b"", Fault::Silence);
    check(&header([1, 0, 0, 0])[..11], Fault::Silence);
    let mut answer = message([1, 0, 0, 0], WEB);
    answer[2] |= IS_ANSWER;
    check(&answer, Fault::Silence);
}

#[test]
fn hostile_messages_are_malformed() {
    let malformed = Fault::Say(Code::Malformed);
    let say = |rest: &[u8]| message([1, 0, 0, 0], rest);
    for (what, bytes) in [
        ("no question", header([0, 0, 0, 0])),
        ("counts without records", header([255, 255, 255, 255])),
        ("two questions", message([2, 0, 0, 0], &[WEB, WEB].concat())),
        ("an answer in it", message([1, 1, 0, 0], WEB)),
        ("a pointer to itself", say(b"\xc0\x0c\0\x01\0\x01")),
        ("a pointer to the header", say(b"\x01a\xc0\x00\0\x01\0\x01")),
        ("a label of an unknown sort", say(b"\x41aaaa\0\0\x01\0\x01")),
        ("a label that is cut", say(b"\x3faaaa")),
        ("no end of the name", say(b"\x03web")),
        ("no class", say(b"\x03web\0\0\x01")),
        ("trailing bytes", say(&[WEB, b"x"].concat())),
        ("a name of 300 bytes", say(&[&b"\x3b".repeat(60 * 5), &b"\0\0\x01\0\x01"[..]].concat())),
        ("127 labels and one", say(&[&b"\x01a".repeat(128)[..], b"\0\0\x01\0\x01"].concat())),
        ("a record that is cut", message([1, 0, 0, 1], &[WEB, b"\0\0\x29\x10"].concat())),
        (
            "a record longer than the message",
            message([1, 0, 0, 1], &[WEB, b"\0\0\x29\x10\0\0\0\0\0\xff\xff"].concat()),
        ),
        (
            "EDNS twice",
            message([1, 0, 0, 2], &[WEB, &b"\0\0\x29\x10\0\0\0\0\0\0\0".repeat(2)].concat()),
        ),
        (
            "EDNS with a name",
            message([1, 0, 0, 1], &[WEB, b"\x01a\0\0\x29\x10\0\0\0\0\0\0\0"].concat()),
        ),
    ] {
        let found = Query::parse(&bytes).err();
        assert_eq!(found, Some(malformed), "{what}");
    }
    let mut many = message([1, 0, 0, 0], WEB);
    many[10] = 255;
    check(&many, malformed);
}

#[test]
fn odd_wishes_are_told_apart() {
    let mut update = message([1, 0, 0, 0], WEB);
    update[2] = 5 << 3;
    check(&update, Fault::Say(Code::NotImplemented));
    let chaos = message([1, 0, 0, 0], b"\x03web\0\0\x10\0\x03");
    check(&chaos, Fault::Say(Code::Refused));
    let zone = message([1, 0, 0, 0], b"\x03web\0\0\xfc\0\x01");
    check(&zone, Fault::Say(Code::Refused));
    let version = message([1, 0, 0, 1], &[WEB, b"\0\0\x29\x10\0\0\x01\0\0\0\0"].concat());
    check(&version, Fault::Say(Code::BadVersion));
    let mut room = [0; 64];
    let length = answer::refusal(&version, Code::BadVersion, &mut room);
    assert_eq!((length, room[3] & 15, room[HEADER + 5]), (HEADER + 11, 0, 1));
    assert_eq!(answer::refusal(b"short", Code::Malformed, &mut room), 0);
}

#[test]
fn answers_fit_their_question_only() {
    let mut bytes = message([1, 0, 0, 0], WEB);
    assert!(!answers(&bytes, WEB), "it is a question");
    bytes[2] |= IS_ANSWER;
    assert!(answers(&bytes, WEB));
    assert!(answers(&bytes, b"\x03web\x00\x00\x01\x00\x01"));
    assert!(!answers(&bytes, b"\x03wab\x00\x00\x01\x00\x01"));
    assert!(!answers(&bytes[..bytes.len() - 1], WEB));
    bytes[5] = 2;
    assert!(!answers(&bytes, WEB));
}

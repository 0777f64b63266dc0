//! What the fuzz targets call: any bytes as a question, and as an answer from outside, with the promises that hold for each.

use crate::lookup::{Reply, Upstreams, View, reply};
use crate::message::answer::refusal;
use crate::message::{Fault, HEADER, IS_ANSWER, PLAIN_LIMIT, Query, answers};
use crate::names::{Names, Place, ServicePort};

/// Whatever comes, an answer is one, is to this message, has as many records as it says and is as short as the client wants it.
pub fn message(data: &[u8]) {
    let mut room = [0; 4096];
    let length = match Query::parse(data) {
        Err(Fault::Silence) => {
            assert!(data.len() < HEADER || data[2] & IS_ANSWER != 0);
            return;
        }
        Err(Fault::Say(code)) => refusal(data, code, &mut room),
        Ok(query) => {
            assert!(query.name.as_bytes().len() < 254);
            let limit = query.limit().min(room.len());
            match reply(&names(), &view(), &query, data.len(), (&mut room, limit)) {
                Reply::Forward => {
                    assert!(!answers(data, &data[HEADER..query.question_end]));
                    return;
                }
                Reply::Written(length) => {
                    assert!(length <= limit);
                    assert!(answers(&room[..length], &data[HEADER..query.question_end]));
                    length
                }
            }
        }
    };
    assert!(length <= PLAIN_LIMIT || length <= room.len());
    assert_eq!(room[..2], data[..2]);
    walk(&room[..length]);
}

/// Goes over all records; the answer must end where the last one does.
fn walk(answer: &[u8]) {
    let count = |at: usize| usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
    let mut at = HEADER;
    for _ in 0..count(4) {
        at = behind_name(answer, at) + 4;
    }
    for _ in 0..count(6) + count(8) + count(10) {
        at = behind_name(answer, at) + 8;
        at += 2 + usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
    }
    assert_eq!(at, answer.len());
}

fn behind_name(answer: &[u8], mut at: usize) -> usize {
    loop {
        match answer[at] {
            0 => return at + 1,
            0xc0.. => {
                assert_eq!(answer[at..at + 2], [0xc0, 12]);
                return at + 2;
            }
            length => at += 1 + usize::from(length),
        }
    }
}

fn names() -> Names {
    let mut names = Names::default();
    for number in 0..40_u8 {
        let place = Place {
            network: "n".to_owned(),
            network_name: "lan".to_owned(),
            names: vec![format!("web{number}"), "web".to_owned(), "a.b".to_owned()],
            addresses: vec![[10, 0, 0, number].into(), [u16::from(number) + 1; 8].into()],
            ports: vec![ServicePort { number: 80, protocol: "tcp" }],
        };
        names.set(&number.to_string(), vec![place]);
    }
    names
}

fn view() -> View {
    View {
        networks: vec!["n".to_owned()],
        links: vec![("friend".to_owned(), "web1".to_owned())],
        upstreams: Upstreams::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mutation_of_a_question_breaks_a_promise() {
        let name =
            b"\x05_http\x04_tcp\x03web\x03lan\x00\x00\x21\x00\x01\x00\x00\x29\x04\xd0\0\0\0\0\0\0";
        let services = [&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1], &name[..]].concat();
        let short = b"\x03\x04\x01\0\0\x01\0\0\0\0\0\0\x03web\0\0\x01\0\x01".to_vec();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut roll = |sides: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % sides
        };
        for round in 0..30_000 {
            let mut data = if round % 2 == 0 { services.clone() } else { short.clone() };
            for _ in 0..=roll(4) {
                let at = roll(data.len());
                match roll(4) {
                    0 => data[at] ^= 1 << roll(8),
                    1 => data[at] = [0, 0xff, 0xc0, 63, 64, 41, 255, 252][roll(8)],
                    2 => data.truncate(at.max(1)),
                    _ => data.insert(at, [0, 1, 3, 0x80][roll(4)]),
                }
            }
            message(&data);
        }
    }
}

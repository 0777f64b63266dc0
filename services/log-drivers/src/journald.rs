//! journald: fields of a message in one datagram to its socket.
//!
//! Follows <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/> and, in its names of fields, Docker's `daemon/logger/journald`.

use crate::address::{Address, Scheme};
use crate::delivery::{Delivery, Failure, each};
use crate::options::Options;
use crate::remote::COMMON;
use crate::stream::Datagrams;
use crate::{Error, Message, Origin};
use std::collections::BTreeMap;
use std::path::PathBuf;

const DRIVER: &str = "journald";
const SHORT_ID: usize = 12;

/// Where the journal listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journald {
    socket: PathBuf,
}

impl Journald {
    pub(crate) fn parse(given: &BTreeMap<String, String>, socket: PathBuf) -> Result<Self, Error> {
        Options::new(DRIVER, given, &COMMON)?;
        Ok(Self { socket })
    }

    pub(crate) fn connect(&self, origin: &Origin) -> Result<Box<dyn Delivery>, Error> {
        let address = Address::Path { scheme: Scheme::UnixDatagram, path: self.socket.clone() };
        let socket = Datagrams::connect(DRIVER, &address)?;
        let mut fields = Vec::new();
        for (key, value) in &origin.attributes {
            let name = field_name(key);
            // A field may stand in a message several times: a label must not pass for what is told here.
            if !name.is_empty() && !is_own(&name) {
                put(&mut fields, &name, value.as_bytes());
            }
        }
        let short = origin.container_id.get(..SHORT_ID).unwrap_or(&origin.container_id);
        for (name, value) in [
            ("CONTAINER_ID", short),
            ("CONTAINER_ID_FULL", &origin.container_id),
            ("CONTAINER_NAME", &origin.container_name),
            ("CONTAINER_TAG", &origin.tag),
            ("IMAGE_NAME", &origin.image_name),
            ("SYSLOG_IDENTIFIER", &origin.tag),
        ] {
            put(&mut fields, name, value.as_bytes());
        }
        Ok(Box::new(Connection { address: address.to_string(), socket, fields }))
    }
}

struct Connection {
    address: String,
    socket: Datagrams,
    /// What all messages say.
    fields: Vec<u8>,
}

impl Delivery for Connection {
    fn deliver(&mut self, messages: &[Message]) -> Result<(), Failure> {
        each(messages, |message| {
            let mut datagram = self.fields.clone();
            put(&mut datagram, "MESSAGE", &message.line);
            put(&mut datagram, "PRIORITY", message.severity().to_string().as_bytes());
            put(&mut datagram, "SYSLOG_TIMESTAMP", message.time.to_string().as_bytes());
            if let Some(partial) = &message.partial {
                put(&mut datagram, "CONTAINER_PARTIAL_MESSAGE", b"true");
                put(&mut datagram, "CONTAINER_PARTIAL_ID", partial.id.as_bytes());
                let ordinal = partial.ordinal.to_string();
                put(&mut datagram, "CONTAINER_PARTIAL_ORDINAL", ordinal.as_bytes());
                let last = partial.is_last.to_string();
                put(&mut datagram, "CONTAINER_PARTIAL_LAST", last.as_bytes());
            }
            self.socket.send(&datagram).map_err(|source| Error::Send {
                driver: DRIVER,
                address: self.address.clone(),
                source,
            })
        })
    }
}

/// One field: on a line of its own, or with its length when it has several.
fn put(datagram: &mut Vec<u8>, name: &str, value: &[u8]) {
    datagram.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value);
    datagram.push(b'\n');
}

/// Whether a field is one that the driver itself tells.
fn is_own(name: &str) -> bool {
    let words = ["MESSAGE", "PRIORITY", "IMAGE_NAME", "SYSLOG_IDENTIFIER", "SYSLOG_TIMESTAMP"];
    let of_container = ["ID", "ID_FULL", "NAME", "TAG"];
    let rest = name.strip_prefix("CONTAINER_");
    words.contains(&name)
        || rest.is_some_and(|rest| of_container.contains(&rest) || rest.starts_with("PARTIAL_"))
}

/// A label's or variable's name as the journal takes it: capitals, digits and underscores, beginning with a letter.
fn field_name(key: &str) -> String {
    let upper = key.bytes().map(|byte| match byte.to_ascii_uppercase() {
        byte @ (b'A'..=b'Z' | b'0'..=b'9') => char::from(byte),
        _ => '_',
    });
    let name: String = upper.skip_while(|letter| !letter.is_ascii_uppercase()).take(64).collect();
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_their_names() {
        let mut datagram = Vec::new();
        put(&mut datagram, "A", b"one");
        put(&mut datagram, "B", b"two\nlines");
        assert_eq!(datagram, b"A=one\nB\n\x09\0\0\0\0\0\0\0two\nlines\n");
        for (key, name) in
            [("com.example.tier", "COM_EXAMPLE_TIER"), ("_x", "X"), ("1a", "A"), ("..", "")]
        {
            assert_eq!(field_name(key), name);
        }
    }
}

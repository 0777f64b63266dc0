//! GELF, Graylog's extended log format: over UDP compressed and in chunks, over TCP as it is with a NUL behind.
//!
//! Follows <https://go2docs.graylog.org/current/getting_in_log_data/gelf.html> and, in its names of fields, Docker's
//! `daemon/logger/gelf`.

use crate::address::{Address, Scheme};
use crate::delivery::{Delivery, Failure, each};
use crate::options::Options;
use crate::remote::COMMON;
use crate::stream::{Datagrams, Patience, Stream};
use crate::{Error, Message, Origin};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

const DRIVER: &str = "gelf";
const DEFAULT_PORT: u16 = 12201;
const SCHEMES: [(&str, Scheme); 2] = [("udp", Scheme::Udp), ("tcp", Scheme::Tcp)];
/// What fits into a packet of most networks, and what of it is ours.
const CHUNK_BYTES: usize = 1420;
const CHUNK_HEADER_BYTES: usize = 12;
/// More chunks than these are refused by whoever receives them.
const MAX_CHUNKS: usize = 128;
const CHUNK_MAGIC: [u8; 2] = [0x1e, 0x0f];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zlib,
    Nothing,
}

/// What the options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gelf {
    address: Address,
    packing: Packing,
    /// 0 to 9.
    level: u32,
    /// How often a lost connection is made again before lines are given up, and after which pause. Docker's default of 3 would lose
    /// what the log can keep: `None` is for ever.
    reconnects: Option<u32>,
    pause: Duration,
}

impl Gelf {
    pub(crate) fn parse(given: &BTreeMap<String, String>) -> Result<Self, Error> {
        const OWN: [&str; 5] = [
            "gelf-address",
            "gelf-compression-level",
            "gelf-compression-type",
            "gelf-tcp-max-reconnect",
            "gelf-tcp-reconnect-delay",
        ];
        let options = Options::new(DRIVER, given, &[&COMMON[..], &OWN[..]].concat())?;
        let wanted = "udp:// or tcp:// with a host and a port";
        let address = options
            .read("gelf-address", wanted, |value| Address::parse(value, &SCHEMES, DEFAULT_PORT))?
            .ok_or(Error::Missing { driver: DRIVER, key: "gelf-address", wanted })?;
        let (others, with) = match address.scheme() {
            Scheme::Tcp => (["gelf-compression-type", "gelf-compression-level"], "a tcp address"),
            _ => (["gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"], "a udp address"),
        };
        if let Some(key) = others.into_iter().find(|key| options.text(key).is_some()) {
            return Err(Error::Contradiction { key, with: with.to_owned() });
        }
        let packing =
            options.read("gelf-compression-type", "gzip, zlib or none", |value| match value {
                "gzip" => Some(Packing::Gzip),
                "zlib" => Some(Packing::Zlib),
                "none" => Some(Packing::Nothing),
                _ => None,
            })?;
        let level = options.read("gelf-compression-level", "a number from -1 to 9", |value| {
            let level: i32 = value.parse().ok().filter(|level| (-1..=9).contains(level))?;
            // Zlib's own default.
            Some(u32::try_from(level).unwrap_or(6))
        })?;
        let seconds = options.number("gelf-tcp-reconnect-delay")?.unwrap_or(1);
        Ok(Self {
            address,
            packing: packing.unwrap_or(Packing::Gzip),
            level: level.unwrap_or(1),
            reconnects: options.number("gelf-tcp-max-reconnect")?,
            pause: Duration::from_secs(seconds.into()),
        })
    }

    pub(crate) fn connect(&self, origin: &Origin) -> Result<Box<dyn Delivery>, Error> {
        let pipe = match self.address.scheme() {
            Scheme::Tcp => {
                Stream::connect(DRIVER, &self.address, None, Patience::default()).map(Pipe::Stream)
            }
            _ => Datagrams::connect(DRIVER, &self.address).map(Pipe::Datagrams),
        }?;
        let fields = fields(origin);
        Ok(Box::new(Connection { gelf: self.clone(), pipe, fields, chunked: 0 }))
    }

    /// How often and after which pause a lost connection is made again.
    pub(crate) fn retries(&self) -> (Option<u32>, Duration) {
        (self.reconnects, self.pause)
    }
}

enum Pipe {
    Datagrams(Datagrams),
    Stream(Stream),
}

struct Connection {
    gelf: Gelf,
    pipe: Pipe,
    /// What all messages say.
    fields: Map<String, Value>,
    /// How many messages were sent in chunks: a part of their numbers.
    chunked: u64,
}

impl Delivery for Connection {
    fn deliver(&mut self, messages: &[Message]) -> Result<(), Failure> {
        if let Pipe::Stream(stream) = &mut self.pipe
            && stream.is_closed()
        {
            let error = self.failed(io::ErrorKind::ConnectionReset.into());
            return Err(Failure { delivered: 0, error });
        }
        each(messages, |message| {
            // A message must say something.
            if message.line.is_empty() {
                return Ok(());
            }
            let text = document(&self.fields, message);
            let sent = match &mut self.pipe {
                Pipe::Datagrams(socket) => {
                    self.chunked += 1;
                    send(socket, &self.gelf, &text, self.chunked)
                }
                Pipe::Stream(stream) => {
                    stream.write_all(&[&text[..], b"\0"].concat()).and_then(|()| stream.flush())
                }
            };
            sent.map_err(|error| self.failed(error))
        })
    }
}

impl Connection {
    fn failed(&self, source: io::Error) -> Error {
        Error::Send { driver: DRIVER, address: self.gelf.address.to_string(), source }
    }
}

fn fields(origin: &Origin) -> Map<String, Value> {
    let mut fields = Map::new();
    for (key, value) in &origin.attributes {
        fields.insert(format!("_{key}"), value.as_str().into());
    }
    for (key, value) in [
        ("version", "1.1"),
        ("host", &origin.hostname),
        ("_container_id", &origin.container_id),
        ("_container_name", &origin.container_name),
        ("_image_id", &origin.image_id),
        ("_image_name", &origin.image_name),
        ("_command", &origin.command),
        ("_tag", &origin.tag),
        ("_created", &origin.created),
    ] {
        fields.insert(key.to_owned(), value.into());
    }
    fields
}

fn document(fields: &Map<String, Value>, message: &Message) -> Vec<u8> {
    let mut document = fields.clone();
    document.insert("short_message".to_owned(), message.text().into());
    document.insert("level".to_owned(), message.severity().into());
    // Seconds, of which the format has three decimals.
    let millis = message.time.as_nanos() / 1_000_000;
    let seconds = i64::try_from(millis).map_or(0.0, as_seconds);
    document.insert("timestamp".to_owned(), seconds.into());
    Value::Object(document).to_string().into_bytes()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
fn as_seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

fn send(socket: &Datagrams, gelf: &Gelf, text: &[u8], number: u64) -> io::Result<()> {
    let packed = pack(gelf, text)?;
    if packed.len() <= CHUNK_BYTES {
        return socket.send(&packed);
    }
    let chunks = packed.chunks(CHUNK_BYTES - CHUNK_HEADER_BYTES);
    let count = u8::try_from(chunks.len()).ok().filter(|count| usize::from(*count) <= MAX_CHUNKS);
    let count = count.ok_or_else(|| {
        io::Error::new(io::ErrorKind::FileTooLarge, "a message needs more than 128 chunks")
    })?;
    let id = chunk_id(number);
    for (index, chunk) in (0_u8..).zip(chunks) {
        let head = [&CHUNK_MAGIC[..], &id, &[index, count]].concat();
        socket.send(&[&head, chunk].concat())?;
    }
    Ok(())
}

/// Tells this message's chunks from all others that the receiver puts together at the same time.
fn chunk_id(number: u64) -> [u8; 8] {
    let now = gantry_sys::clock::now();
    let moment = now.seconds.cast_unsigned().wrapping_mul(1_000_000_000) + u64::from(now.nanos);
    // Messages of one moment differ in their number, processes in their id.
    let process = u64::from(std::process::id());
    (moment ^ (process << 40)).wrapping_add(number).to_be_bytes()
}

fn pack(gelf: &Gelf, text: &[u8]) -> io::Result<Vec<u8>> {
    let level = Compression::new(gelf.level);
    match gelf.packing {
        Packing::Nothing => Ok(text.to_vec()),
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(text)?;
            encoder.finish()
        }
        Packing::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(text)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Gelf, String> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Gelf::parse(&options.iter().map(own).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn options() {
        let udp = ("gelf-address", "udp://h:12201");
        assert_eq!(parse(&[udp]).unwrap().packing, Packing::Gzip);
        assert_eq!(parse(&[udp, ("gelf-compression-level", "-1")]).unwrap().level, 6);
        let tcp = ("gelf-address", "tcp://h:12201");
        assert_eq!(parse(&[tcp]).unwrap().retries(), (None, Duration::from_secs(1)));
        let given = [tcp, ("gelf-tcp-max-reconnect", "2"), ("gelf-tcp-reconnect-delay", "5")];
        assert_eq!(parse(&given).unwrap().retries(), (Some(2), Duration::from_secs(5)));
        for (options, words) in [
            (&[][..], "log option gelf-address is needed by the gelf log driver"),
            (&[("gelf-address", "http://h")][..], "invalid value \"http://h\""),
            (&[tcp, ("gelf-compression-type", "gzip")][..], "does not go with a tcp address"),
            (&[udp, ("gelf-tcp-max-reconnect", "3")][..], "does not go with a udp address"),
            (&[udp, ("gelf-compression-type", "lz4")][..], "give gzip, zlib or none"),
            (&[udp, ("gelf-compression-level", "10")][..], "a number from -1 to 9"),
            (&[udp, ("x", "1")][..], "unknown log opt 'x' for gelf log driver"),
        ] {
            let error = parse(options).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}

//! fluentd's forward protocol: one message a line, over TCP, TLS or a Unix socket, acknowledged when asked for.
//!
//! Follows <https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1> (the message mode) and, in its options
//! and keys, Docker's `daemon/logger/fluentd`.

use crate::address::{Address, Scheme};
use crate::delivery::{Delivery, Failure};
use crate::msgpack::{self, Packer};
use crate::options::Options;
use crate::remote::COMMON;
use crate::stream::{PATIENCE, Patience, Stream};
use crate::tls::{self, TlsOptions};
use crate::{Error, Message, Origin};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Duration;

const DRIVER: &str = "fluentd";
const DEFAULT_PORT: u16 = 24224;
const SCHEMES: [(&str, Scheme); 3] =
    [("tcp", Scheme::Tcp), ("tls", Scheme::Tls), ("unix", Scheme::Unix)];
/// The longest acknowledgement.
const MAX_ANSWER_BYTES: usize = 4096;
/// What is sent in one write unless the option `fluentd-buffer-limit` says otherwise.
const BUFFER_BYTES: u64 = 1 << 20;

/// What the options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fluentd {
    address: Address,
    /// A start does not wait for the remote.
    is_async: bool,
    buffer_limit_bytes: usize,
    max_retries: Option<u32>,
    retry_wait: Duration,
    request_ack: bool,
    sub_second: bool,
    patience: Patience,
}

impl Fluentd {
    pub(crate) fn parse(given: &BTreeMap<String, String>) -> Result<Self, Error> {
        const OWN: [&str; 11] = [
            "fluentd-address",
            "fluentd-async",
            "fluentd-async-connect",
            "fluentd-async-reconnect-interval",
            "fluentd-buffer-limit",
            "fluentd-max-retries",
            "fluentd-read-timeout",
            "fluentd-request-ack",
            "fluentd-retry-wait",
            "fluentd-sub-second-precision",
            "fluentd-write-timeout",
        ];
        let options = Options::new(DRIVER, given, &[&COMMON[..], &OWN[..]].concat())?;
        let wanted = "a host with a port, or tcp://, tls:// or unix:// with one";
        let address = options.read("fluentd-address", wanted, address)?;
        // The older name of the same.
        let old = options.flag("fluentd-async-connect")?;
        let new = options.flag("fluentd-async")?;
        if old.is_some() && new.is_some() {
            let with = "fluentd-async".to_owned();
            return Err(Error::Contradiction { key: "fluentd-async-connect", with });
        }
        // Zero is none; connections are made again as often as they are lost in any case.
        let wanted = "0, or a duration from 100ms to 10s";
        options.read("fluentd-async-reconnect-interval", wanted, |value| {
            let nanos = gantry_types::duration_nanos(value)?;
            (nanos == 0 || (100_000_000..=10_000_000_000).contains(&nanos)).then_some(())
        })?;
        let limit = options.size("fluentd-buffer-limit")?.unwrap_or(BUFFER_BYTES);
        let limited = |duration: Option<Duration>| {
            duration.filter(|duration| !duration.is_zero()).unwrap_or(PATIENCE)
        };
        Ok(Self {
            address: address.unwrap_or(Address::Host {
                scheme: Scheme::Tcp,
                host: "127.0.0.1".to_owned(),
                port: DEFAULT_PORT,
            }),
            is_async: old.or(new).unwrap_or(false),
            buffer_limit_bytes: usize::try_from(limit).unwrap_or(usize::MAX).min(64 << 20),
            max_retries: options.number("fluentd-max-retries")?,
            retry_wait: options.duration("fluentd-retry-wait")?.unwrap_or(Duration::from_secs(1)),
            request_ack: options.flag("fluentd-request-ack")?.unwrap_or(false),
            sub_second: options.flag("fluentd-sub-second-precision")?.unwrap_or(false),
            patience: Patience {
                read: limited(options.duration("fluentd-read-timeout")?),
                write: limited(options.duration("fluentd-write-timeout")?),
            },
        })
    }

    pub(crate) fn connect(&self, origin: &Origin) -> Result<Box<dyn Delivery>, Error> {
        let tls = (self.address.scheme() == Scheme::Tls)
            .then(|| tls::client(DRIVER, &TlsOptions::default()));
        let stream =
            Stream::connect(DRIVER, &self.address, tls.transpose()?.as_ref(), self.patience)?;
        Ok(Box::new(Connection {
            fluentd: self.clone(),
            stream,
            origin: origin.clone(),
            chunks: 0,
        }))
    }

    pub(crate) fn is_async(&self) -> bool {
        self.is_async
    }

    pub(crate) fn retries(&self) -> (Option<u32>, Duration) {
        (self.max_retries, self.retry_wait)
    }
}

/// Docker takes a bare host as well.
fn address(value: &str) -> Option<Address> {
    if value.contains("://") {
        Address::parse(value, &SCHEMES, DEFAULT_PORT)
    } else {
        Address::parse(&format!("tcp://{value}"), &SCHEMES, DEFAULT_PORT)
    }
}

struct Connection {
    fluentd: Fluentd,
    stream: Stream,
    origin: Origin,
    /// How many messages were sent with a name, which their acknowledgement repeats.
    chunks: u64,
}

impl Delivery for Connection {
    fn deliver(&mut self, messages: &[Message]) -> Result<(), Failure> {
        let mut delivered = 0;
        if self.stream.is_closed() {
            let error = self.failed(io::ErrorKind::ConnectionReset.into());
            return Err(Failure { delivered, error });
        }
        while delivered < messages.len() {
            match self.send(&messages[delivered..]) {
                Ok(sent) => delivered += sent,
                Err(source) => return Err(Failure { delivered, error: self.failed(source) }),
            }
        }
        Ok(())
    }
}

impl Connection {
    fn failed(&self, source: io::Error) -> Error {
        Error::Send { driver: DRIVER, address: self.fluentd.address.to_string(), source }
    }

    /// Sends as many messages as belong into one write; gives how many.
    fn send(&mut self, messages: &[Message]) -> io::Result<usize> {
        let mut packer = Packer::default();
        let (mut sent, mut names) = (0, Vec::new());
        for message in messages {
            let name = self.fluentd.request_ack.then(|| self.name());
            pack(&mut packer, &self.fluentd, &self.origin, message, name.as_deref());
            names.extend(name);
            sent += 1;
            if packer.0.len() >= self.fluentd.buffer_limit_bytes {
                break;
            }
        }
        self.stream.write_all(&packer.0)?;
        self.stream.flush()?;
        self.await_acknowledgements(&names)?;
        Ok(sent)
    }

    fn name(&mut self) -> String {
        self.chunks += 1;
        let now = gantry_sys::clock::now();
        let mut bytes = [0; 16];
        let moment = now.seconds.wrapping_mul(1_000_000_000).wrapping_add(now.nanos.into());
        bytes[..8].copy_from_slice(&moment.to_be_bytes());
        bytes[8..].copy_from_slice(&self.chunks.to_be_bytes());
        STANDARD.encode(bytes)
    }

    fn await_acknowledgements(&mut self, names: &[String]) -> io::Result<()> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        let mut answer = Vec::new();
        for name in names {
            let (told, length) = loop {
                match msgpack::ack(&answer) {
                    Some(found) => break found.map_err(invalid)?,
                    None if answer.len() > MAX_ANSWER_BYTES => {
                        return Err(invalid("the acknowledgement does not end"));
                    }
                    None => {}
                }
                let mut block = [0; 1024];
                match self.stream.read(&mut block)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    length => answer.extend_from_slice(&block[..length]),
                }
            };
            if told != *name {
                return Err(invalid("another message than ours was acknowledged"));
            }
            answer.drain(..length);
        }
        Ok(())
    }
}

/// `[tag, time, record]`, with options behind when there is a name.
fn pack(
    packer: &mut Packer,
    fluentd: &Fluentd,
    origin: &Origin,
    message: &Message,
    name: Option<&str>,
) {
    packer.array(if name.is_some() { 4 } else { 3 });
    packer.text(origin.tag.as_bytes());
    match u32::try_from(message.time.seconds) {
        Ok(seconds) if fluentd.sub_second => packer.event_time(seconds, message.time.nanos),
        _ => packer.integer(message.time.seconds),
    }
    let slashed = format!("/{}", origin.container_name);
    let ordinal = message.partial.as_ref().map(|partial| partial.ordinal.to_string());
    let mut record: Vec<(&[u8], &[u8])> = vec![
        (b"container_id", origin.container_id.as_bytes()),
        (b"container_name", slashed.as_bytes()),
        (b"source", message.source().as_bytes()),
        (b"log", &message.line),
    ];
    if let (Some(partial), Some(ordinal)) = (&message.partial, &ordinal) {
        record.push((b"partial_message", b"true"));
        record.push((b"partial_id", partial.id.as_bytes()));
        record.push((b"partial_ordinal", ordinal.as_bytes()));
        let last: &[u8] = if partial.is_last { b"true" } else { b"false" };
        record.push((b"partial_last", last));
    }
    let attributes = origin.attributes.iter();
    record.extend(attributes.map(|(key, value)| (key.as_bytes(), value.as_bytes())));
    packer.map(record.len());
    for (key, value) in record {
        packer.text(key);
        packer.text(value);
    }
    if let Some(name) = name {
        packer.map(1);
        packer.text(b"chunk");
        packer.text(name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Fluentd, String> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Fluentd::parse(&options.iter().map(own).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn options() {
        let default = parse(&[]).unwrap();
        assert_eq!(default.address.to_string(), "127.0.0.1:24224");
        assert!(!default.is_async && !default.request_ack && !default.sub_second);
        for (text, expected) in
            [("h", "h:24224"), ("h:1", "h:1"), ("tls://h", "h:24224"), ("unix:///s", "/s")]
        {
            let parsed = parse(&[("fluentd-address", text)]).unwrap();
            assert_eq!(parsed.address.to_string(), expected);
        }
        assert!(parse(&[("fluentd-async-connect", "true")]).unwrap().is_async);
        for (options, words) in [
            (&[("fluentd-address", "udp://h")][..], "give a host with a port"),
            (&[("fluentd-async", "perhaps")][..], "give true or false"),
            (&[("fluentd-async", "1"), ("fluentd-async-connect", "1")][..], "does not go with"),
            (&[("fluentd-async-reconnect-interval", "1ms")][..], "from 100ms to 10s"),
            (&[("fluentd-buffer-limit", "0")][..], "give a size"),
            (&[("fluentd-max-retries", "-1")][..], "give a number"),
            (&[("fluentd-retry-wait", "soon")][..], "give a duration"),
            (&[("syslog-format", "x")][..], "unknown log opt 'syslog-format'"),
        ] {
            let error = parse(options).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}

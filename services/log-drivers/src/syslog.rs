//! syslog: RFC 3164, RFC 5424 and the form of local sockets, over UDP, TCP, TLS and Unix sockets.
//!
//! Stdout has the severity "informational", stderr "error". Follows Docker's `daemon/logger/syslog`.

use crate::address::{Address, Scheme};
use crate::delivery::{Delivery, Failure, each};
use crate::options::Options;
use crate::remote::COMMON;
use crate::stream::{Datagrams, Patience, Stream};
use crate::tls::{self, TlsOptions};
use crate::{Error, Message, Origin};
use gantry_types::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

const DRIVER: &str = "syslog";
const DEFAULT_PORT: u16 = 514;
/// Where local daemons listen.
const LOCAL: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const SCHEMES: [(&str, Scheme); 5] = [
    ("udp", Scheme::Udp),
    ("tcp", Scheme::Tcp),
    ("tcp+tls", Scheme::Tls),
    ("unix", Scheme::Unix),
    ("unixgram", Scheme::UnixDatagram),
];
/// By their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
/// `daemon`.
const DEFAULT_FACILITY: u8 = 3;

/// How a message looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// RFC 3164 without a host name, as `syslog(3)` writes it.
    Local,
    Rfc3164,
    Rfc5424,
    /// With microseconds.
    Rfc5424Micro,
}

/// What the options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Syslog {
    /// `None`: whatever listens on this host.
    address: Option<Address>,
    facility: u8,
    form: Form,
    tls: TlsOptions,
}

impl Syslog {
    pub(crate) fn parse(given: &BTreeMap<String, String>) -> Result<Self, Error> {
        const OWN: [&str; 7] = [
            "syslog-address",
            "syslog-facility",
            "syslog-format",
            "syslog-tls-ca-cert",
            "syslog-tls-cert",
            "syslog-tls-key",
            "syslog-tls-skip-verify",
        ];
        let options = Options::new(DRIVER, given, &[&COMMON[..], &OWN[..]].concat())?;
        let wanted =
            "udp://, tcp:// or tcp+tls:// with a host, or unix:// or unixgram:// with a path";
        let address = options.read("syslog-address", wanted, |value| {
            if value.is_empty() {
                return Some(None);
            }
            Address::parse(value, &SCHEMES, DEFAULT_PORT).map(Some)
        })?;
        let form =
            options.read(
                "syslog-format",
                "rfc3164, rfc5424 or rfc5424micro",
                |value| match value {
                    "" => Some(Form::Local),
                    "rfc3164" => Some(Form::Rfc3164),
                    "rfc5424" => Some(Form::Rfc5424),
                    "rfc5424micro" => Some(Form::Rfc5424Micro),
                    _ => None,
                },
            )?;
        let wanted = "a name such as daemon or local0, or a number from 0 to 23";
        let facility = options.read("syslog-facility", wanted, facility)?;
        let path = |key: &'static str| options.text(key).map(PathBuf::from);
        let identity = match (path("syslog-tls-cert"), path("syslog-tls-key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (cert, _) => {
                let (key, wanted) = if cert.is_some() {
                    ("syslog-tls-key", "the file of the certificate's key")
                } else {
                    ("syslog-tls-cert", "the file of the key's certificate")
                };
                return Err(Error::Missing { driver: DRIVER, key, wanted });
            }
        };
        let tls = TlsOptions {
            ca_cert: path("syslog-tls-ca-cert"),
            identity,
            skip_verify: options.flag("syslog-tls-skip-verify")?.unwrap_or(false),
        };
        Ok(Self {
            address: address.flatten(),
            facility: facility.unwrap_or(DEFAULT_FACILITY),
            form: form.unwrap_or(Form::Local),
            tls,
        })
    }

    pub(crate) fn connect(&self, origin: &Origin) -> Result<Box<dyn Delivery>, Error> {
        let (pipe, address) = match &self.address {
            Some(address) => (self.open(address)?, address.to_string()),
            None => local()?,
        };
        let counted = self.address.as_ref().is_some_and(|address| address.scheme() == Scheme::Tls)
            && matches!(self.form, Form::Rfc5424 | Form::Rfc5424Micro);
        let (form, facility) = (self.form, self.facility);
        Ok(Box::new(Connection { pipe, address, form, facility, counted, origin: origin.clone() }))
    }

    fn open(&self, address: &Address) -> Result<Pipe, Error> {
        match address.scheme() {
            Scheme::Udp | Scheme::UnixDatagram => {
                Datagrams::connect(DRIVER, address).map(Pipe::Datagrams)
            }
            scheme => {
                let tls = (scheme == Scheme::Tls).then(|| tls::client(DRIVER, &self.tls));
                let tls = tls.transpose()?;
                Stream::connect(DRIVER, address, tls.as_ref(), Patience::default())
                    .map(Pipe::Stream)
            }
        }
    }
}

fn facility(value: &str) -> Option<u8> {
    if value.is_empty() {
        return Some(DEFAULT_FACILITY);
    }
    let named = FACILITIES.iter().position(|name| *name == value);
    let number = named.or_else(|| value.parse().ok().filter(|number| *number < FACILITIES.len()));
    number.and_then(|number| u8::try_from(number).ok())
}

/// The first that listens on this host.
fn local() -> Result<(Pipe, String), Error> {
    let mut last = None;
    for path in LOCAL {
        let at = |scheme| Address::Path { scheme, path: path.into() };
        match Datagrams::connect(DRIVER, &at(Scheme::UnixDatagram)) {
            Ok(socket) => return Ok((Pipe::Datagrams(socket), path.to_owned())),
            Err(error) => last = last.or(Some(error)),
        }
        if let Ok(stream) = Stream::connect(DRIVER, &at(Scheme::Unix), None, Patience::default()) {
            return Ok((Pipe::Stream(stream), path.to_owned()));
        }
    }
    Err(last.unwrap_or_else(|| Error::Connect {
        driver: DRIVER,
        address: LOCAL[0].to_owned(),
        source: io::ErrorKind::NotFound.into(),
    }))
}

enum Pipe {
    Datagrams(Datagrams),
    Stream(Stream),
}

struct Connection {
    pipe: Pipe,
    address: String,
    form: Form,
    facility: u8,
    /// Each message has its length before it (RFC 5425, 4.3), and no newline behind.
    counted: bool,
    origin: Origin,
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
            let text = self.text(message);
            let sent = match &mut self.pipe {
                Pipe::Datagrams(socket) => socket.send(&text),
                Pipe::Stream(stream) => stream.write_all(&text).and_then(|()| stream.flush()),
            };
            sent.map_err(|error| self.failed(error))
        })
    }
}

impl Connection {
    fn failed(&self, source: io::Error) -> Error {
        Error::Send { driver: DRIVER, address: self.address.clone(), source }
    }

    fn text(&self, message: &Message) -> Vec<u8> {
        let head = head(self.form, self.facility, message, &self.origin);
        let text = [head.as_bytes(), &message.line].concat();
        if self.counted {
            [format!("{} ", text.len()).as_bytes(), &text].concat()
        } else {
            // RFC 6587, 3.4.2.
            [&text[..], b"\n"].concat()
        }
    }
}

/// What comes before the line.
fn head(form: Form, facility: u8, message: &Message, origin: &Origin) -> String {
    let priority = facility << 3 | message.severity();
    let Origin { tag, hostname, pid, .. } = origin;
    let time = message.time;
    match form {
        Form::Local => format!("<{priority}>{} {tag}[{pid}]: ", stamp(time)),
        Form::Rfc3164 => format!("<{priority}>{} {hostname} {tag}[{pid}]: ", stamp(time)),
        Form::Rfc5424 => {
            let time = Timestamp { nanos: 0, ..time };
            format!("<{priority}>1 {time} {hostname} {tag} {pid} {tag} - ")
        }
        Form::Rfc5424Micro => {
            let fixed = time.to_fixed_string();
            // Six decimals of nine.
            let micro = fixed.get(..fixed.len().saturating_sub(4)).unwrap_or_default();
            format!("<{priority}>1 {micro}Z {hostname} {tag} {pid} {tag} - ")
        }
    }
}

/// `Jan  2 15:04:05` in this host's time zone.
fn stamp(time: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let offset = i64::from(gantry_sys::clock::utc_offset_seconds(time));
    let text = Timestamp { seconds: time.seconds + offset, nanos: 0 }.to_string();
    let number = |from: usize| text.get(from..from + 2).and_then(|text| text.parse().ok());
    let month = number(5).and_then(|month: usize| MONTHS.get(month.wrapping_sub(1)));
    let day = number(8).unwrap_or(1);
    format!("{} {day:>2} {}", month.unwrap_or(&MONTHS[0]), text.get(11..19).unwrap_or("00:00:00"))
}

#[cfg(test)]
mod tests;

//! Where a process's standard streams go: the URIs in the `stdin`, `stdout` and `stderr` fields of
//! Create and Exec. Nothing is opened here.
//!
//! | text | direction | meaning |
//! |---|---|---|
//! | empty | both | `/dev/null` |
//! | `gantry://stdin` | in | fed by attachers of `io.sock`; stays open when they leave |
//! | `gantry://stdin?once=1` | in | the same, closed when the first attacher with input ends it |
//! | `gantry://` | out | sent to attachers only |
//! | `gantry:///dir/log?format=json-file&max-size=N&max-file=N` | out | sent to attachers and appended to the log file, which the shim rotates at `max-size` bytes (absent: never), keeping `max-file` files |
//! | `gantry:///dir/log?format=local&max-size=N&max-file=N` | out | the same, as blocks of output in numbered files of this folder |
//! | `gantry://?stall-ms=N`, `gantry:///dir/log?…&stall-ms=N` | out | the same, with a limit to the patience with attachers, see below |
//! | `/dir/fifo` or `fifo:///dir/fifo` | both | a named pipe, as containerd sends it |
//! | `file:///dir/file` | out | appended to this file |
//! | `binary:///dir/logger?key=value&env.NAME=value` | out | to a logging program that the shim runs: keys and values are its arguments, `env.` its variables (see [`Logger`]) |
//!
//! Paths are absolute and percent-encoded (RFC 3986) inside URIs, and bare otherwise. stdout and
//! stderr of one process may name the same log; the shim opens it once.

use crate::Error;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Docker's: a JSON object for each line. Older files get `.1`, `.2` … behind the name.
    JsonFile,
    /// Blocks of output in numbered files of a folder.
    Local,
}

/// A log that the shim writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    pub format: LogFormat,
    /// The newest file, or the folder of the files.
    pub path: PathBuf,
    /// Rotate when the file has this many bytes; `None`: never.
    pub max_size_bytes: Option<u64>,
    /// How many files there are at most, the newest included; at least 1.
    pub max_files: u32,
}

/// Where a process's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Null,
    /// To attachers, and to a log when there is one.
    Relay(Option<LogTarget>),
    /// The same, but attachers that take nothing for `stall_limit` (whole milliseconds, at least one)
    /// while their buffer is full are disconnected.
    ImpatientRelay { log: Option<LogTarget>, stall_limit: Duration },
    /// Into a named pipe.
    Fifo(PathBuf),
    /// Appended to a file.
    File(PathBuf),
    /// To a logging program.
    Binary(Logger),
}

/// A logging program, as containerd's `binary://` names it.
///
/// It reads stdout at descriptor 3 and stderr at 4, and closes 5 or writes to it when it is ready. Follows
/// containerd's `docs/shim-io.md` and `NewBinaryCmd` of its shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logger {
    pub program: PathBuf,
    /// Keys and values of the query, in its order; a key without a value has an empty one.
    pub arguments: Vec<String>,
    /// Variables besides `CONTAINER_ID` and `CONTAINER_NAMESPACE`, which nobody may set.
    pub variables: Vec<(String, String)>,
}

/// Where a process's input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// It reads end-of-file at once.
    Null,
    /// From attachers.
    Relay {
        /// Close it when the first attacher with input ends its own.
        once: bool,
    },
    /// From a named pipe.
    Fifo(PathBuf),
}

const RELAY_SCHEME: &str = "gantry://";
const RELAY_STDIN: &str = "gantry://stdin";
const LOGGER_SCHEME: &str = "binary://";
/// What marks a variable among the options of a logging program.
const VARIABLE_PREFIX: &str = "env.";
/// More options than this are refused.
const MAX_LOGGER_OPTIONS: usize = 1024;

impl Output {
    /// Reads the `stdout` or `stderr` field.
    pub fn parse(uri: &str) -> Result<Self, Error> {
        if uri.is_empty() {
            Ok(Self::Null)
        } else if let Some(rest) = uri.strip_prefix(RELAY_SCHEME) {
            parse_relay(uri, rest)
        } else if let Some(rest) = uri.strip_prefix("file://") {
            // containerd allows a query here; it has none that matters to us.
            let path = rest.split_once('?').map_or(rest, |(path, _)| path);
            decode_path(uri, path).map(Self::File)
        } else if let Some(rest) = uri.strip_prefix(LOGGER_SCHEME) {
            parse_logger(uri, rest).map(Self::Binary)
        } else {
            parse_fifo(uri).map(Self::Fifo)
        }
    }

    /// How long an attacher may take nothing while its buffer is full; `None`: as long as it likes.
    pub fn stall_limit(&self) -> Option<Duration> {
        match self {
            Self::ImpatientRelay { stall_limit, .. } => Some(*stall_limit),
            _ => None,
        }
    }
}

impl Input {
    /// Reads the `stdin` field.
    pub fn parse(uri: &str) -> Result<Self, Error> {
        match uri {
            "" => Ok(Self::Null),
            RELAY_STDIN => Ok(Self::Relay { once: false }),
            "gantry://stdin?once=1" => Ok(Self::Relay { once: true }),
            _ if uri.starts_with(RELAY_SCHEME) => Err(malformed(uri, "not a form of stdin")),
            _ => parse_fifo(uri).map(Self::Fifo),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Relay(log) => write_relay(log.as_ref(), None, f),
            Self::ImpatientRelay { log, stall_limit } => {
                write_relay(log.as_ref(), Some(*stall_limit), f)
            }
            Self::Fifo(path) => {
                f.write_str("fifo://")?;
                encode_path(path, f)
            }
            Self::File(path) => {
                f.write_str("file://")?;
                encode_path(path, f)
            }
            Self::Binary(logger) => write_logger(logger, f),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Relay { once: false } => f.write_str(RELAY_STDIN),
            Self::Relay { once: true } => write!(f, "{RELAY_STDIN}?once=1"),
            Self::Fifo(path) => {
                f.write_str("fifo://")?;
                encode_path(path, f)
            }
        }
    }
}

fn malformed(uri: &str, reason: &'static str) -> Error {
    Error::Stdio { uri: uri.to_owned(), reason }
}

fn parse_relay(uri: &str, rest: &str) -> Result<Output, Error> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut log = if path.is_empty() {
        None
    } else {
        let path = decode_path(uri, path)?;
        Some(LogTarget { format: LogFormat::JsonFile, path, max_size_bytes: None, max_files: 1 })
    };
    let mut stall_limit = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| malformed(uri, "an option has no value"))?;
        let number = || -> Result<u64, Error> {
            let number = value.parse().map_err(|_| malformed(uri, "an option is not a number"))?;
            if number == 0 { Err(malformed(uri, "an option is zero")) } else { Ok(number) }
        };
        match (key, &mut log) {
            ("stall-ms", _) => stall_limit = Some(Duration::from_millis(number()?)),
            ("format", Some(log)) => {
                log.format = match value {
                    "json-file" => LogFormat::JsonFile,
                    "local" => LogFormat::Local,
                    _ => return Err(malformed(uri, "a log's format is json-file or local")),
                };
            }
            ("max-size", Some(log)) => log.max_size_bytes = Some(number()?),
            ("max-file", Some(log)) => {
                log.max_files =
                    number()?.try_into().map_err(|_| malformed(uri, "max-file is too large"))?;
            }
            ("format" | "max-size" | "max-file", None) => {
                return Err(malformed(uri, "an option of a log, and no log is named"));
            }
            _ => return Err(malformed(uri, "an option is unknown")),
        }
    }
    Ok(match stall_limit {
        None => Output::Relay(log),
        Some(stall_limit) => Output::ImpatientRelay { log, stall_limit },
    })
}

fn write_relay(
    log: Option<&LogTarget>,
    stall_limit: Option<Duration>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    f.write_str(RELAY_SCHEME)?;
    if let Some(log) = log {
        encode_path(&log.path, f)?;
        f.write_str(match log.format {
            LogFormat::JsonFile => "?format=json-file",
            LogFormat::Local => "?format=local",
        })?;
        if let Some(bytes) = log.max_size_bytes {
            write!(f, "&max-size={bytes}")?;
        }
        write!(f, "&max-file={}", log.max_files)?;
    }
    if let Some(limit) = stall_limit {
        let mark = if log.is_some() { '&' } else { '?' };
        write!(f, "{mark}stall-ms={}", limit.as_millis())?;
    }
    Ok(())
}

fn parse_logger(uri: &str, rest: &str) -> Result<Logger, Error> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let program = decode_path(uri, path)?;
    let mut logger = Logger { program, arguments: Vec::new(), variables: Vec::new() };
    for (count, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count >= MAX_LOGGER_OPTIONS {
            return Err(malformed(uri, "it has more than 1024 options"));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode_word(uri, key)?, decode_word(uri, value)?);
        match key.strip_prefix(VARIABLE_PREFIX) {
            Some("" | "CONTAINER_ID" | "CONTAINER_NAMESPACE") => {}
            Some(name) if name.contains('=') => {
                return Err(malformed(uri, "a variable's name holds an equals sign"));
            }
            Some(name) => logger.variables.push((name.to_owned(), value)),
            None => logger.arguments.extend([key, value]),
        }
    }
    Ok(logger)
}

fn write_logger(logger: &Logger, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(LOGGER_SCHEME)?;
    encode_path(&logger.program, f)?;
    let mut mark = '?';
    let mut option = |prefix: &str, key: &str, value: &str| {
        write!(f, "{mark}{prefix}")?;
        mark = '&';
        encode_path(Path::new(key), f)?;
        f.write_str("=")?;
        encode_path(Path::new(value), f)
    };
    for pair in logger.arguments.chunks(2) {
        option("", &pair[0], pair.get(1).map_or("", String::as_str))?;
    }
    for (name, value) in &logger.variables {
        option(VARIABLE_PREFIX, name, value)?;
    }
    Ok(())
}

fn parse_fifo(uri: &str) -> Result<PathBuf, Error> {
    if let Some(path) = uri.strip_prefix("fifo://") {
        return decode_path(uri, path);
    }
    if uri.starts_with('/') && !uri.contains('\0') {
        return Ok(PathBuf::from(uri));
    }
    Err(malformed(uri, "neither an absolute path nor a known scheme"))
}

fn decode_path(uri: &str, text: &str) -> Result<PathBuf, Error> {
    if !text.starts_with('/') {
        return Err(malformed(uri, "the path is not absolute"));
    }
    decode(uri, text).map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
}

/// A key or value of a query, where a plus sign is a space.
fn decode_word(uri: &str, text: &str) -> Result<String, Error> {
    String::from_utf8(decode(uri, &text.replace('+', " "))?)
        .map_err(|_| malformed(uri, "an option is not UTF-8"))
}

fn decode(uri: &str, text: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || rest.next().and_then(hex_digit);
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(malformed(uri, "a percent sign is not followed by two hex digits"));
            };
            high << 4 | low
        } else {
            byte
        };
        if byte == 0 {
            return Err(malformed(uri, "it holds a NUL"));
        }
        bytes.push(byte);
    }
    Ok(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn encode_path(path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            write!(f, "{}", byte as char)?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Where errors go: the standard error, and a log file in the formats that callers of runc parse.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

/// The format of lines in the log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Debug)]
pub(crate) struct Log {
    path: Option<PathBuf>,
    format: Format,
    debug: bool,
}

impl Log {
    pub(crate) fn new(path: Option<PathBuf>, format: Format, debug: bool) -> Self {
        Self { path, format, debug }
    }

    pub(crate) fn stderr() -> Self {
        Self::new(None, Format::Text, false)
    }

    pub(crate) fn error(&self, message: &str) {
        self.write("error", message);
        // A caller may have closed it; there is nobody else to tell.
        drop(writeln!(io::stderr(), "gantry-runc: {}", plain(message)));
    }

    /// Something that stops nothing, but that somebody should know.
    pub(crate) fn warn(&self, message: &str) {
        self.write("warning", message);
        drop(writeln!(io::stderr(), "gantry-runc: warning: {}", plain(message)));
    }

    pub(crate) fn debug(&self, message: &str) {
        if self.debug {
            self.write("debug", message);
        }
    }

    fn write(&self, level: &str, message: &str) {
        let Some(path) = &self.path else { return };
        let time = gantry_sys::clock::now().to_string();
        let line = match self.format {
            Format::Json => {
                serde_json::json!({ "level": level, "msg": message, "time": time }).to_string()
            }
            Format::Text => format!("time={time:?} level={level} msg={message:?}"),
        };
        let file = File::options().append(true).create(true).open(path);
        // The error that is being reported matters more than the log's own.
        drop(file.and_then(|mut file| writeln!(file, "{line}")));
    }
}

/// One line that drives no terminal: texts of documents, images and hooks are part of messages.
fn plain(message: &str) -> Cow<'_, str> {
    if !message.contains(char::is_control) {
        return message.into();
    }
    let escape = |letter: char| {
        if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() }
    };
    message.chars().map(escape).collect()
}

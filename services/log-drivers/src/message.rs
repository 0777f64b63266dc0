//! What is sent: one line of output or a piece of one, and the container that it comes from.

use gantry_types::Timestamp;

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When the container wrote it.
    pub time: Timestamp,
    /// From stderr; else from stdout.
    pub is_stderr: bool,
    /// Without its newline.
    pub line: Vec<u8>,
    /// Which part of a long line it is; `None`: a whole one.
    pub partial: Option<Partial>,
}

impl Message {
    /// The stream's name.
    pub(crate) fn source(&self) -> &'static str {
        if self.is_stderr { "stderr" } else { "stdout" }
    }

    /// The severity of `syslog(3)`: an error for stderr, else an information.
    pub(crate) fn severity(&self) -> u8 {
        if self.is_stderr { 3 } else { 6 }
    }

    /// The text as far as it is UTF-8, with replacements for the rest.
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.line)
    }
}

/// The place of a piece in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// The same for all pieces of the line, and for no other line's.
    pub id: String,
    /// From 1.
    pub ordinal: u32,
    pub is_last: bool,
}

/// The container, as its messages name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    pub container_id: String,
    /// Without a slash.
    pub container_name: String,
    pub image_id: String,
    /// As the user called it.
    pub image_name: String,
    /// Program and arguments.
    pub command: String,
    /// RFC 3339.
    pub created: String,
    /// The option `tag`, filled in.
    pub tag: String,
    /// What the options `labels`, `env` and their patterns chose.
    pub attributes: Vec<(String, String)>,
    /// This host's.
    pub hostname: String,
    /// The engine's process, as syslog wants one.
    pub pid: u32,
}

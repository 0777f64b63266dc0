//! What goes wrong in a container's process before its program runs, and how the news travel to the parent.
//!
//! The texts reach users, in the words that Docker's and runc's clients look for.

use std::fmt::Display;
use std::io;

use gantry_types::ErrorKind;

/// One failed step, as a text that names what was tried on what and why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub(crate) class: Class,
    pub(crate) message: String,
}

/// What a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Internal,
    InvalidConfig,
    CommandNotFound,
    CommandNotExecutable,
    Unsupported,
}

const CLASSES: [Class; 5] = [
    Class::Internal,
    Class::InvalidConfig,
    Class::CommandNotFound,
    Class::CommandNotExecutable,
    Class::Unsupported,
];

/// The longest text that travels; more is cut.
const MESSAGE_LIMIT: usize = 4096;

impl Failure {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Class::InvalidConfig, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Class::Unsupported, message)
    }

    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        Self::new(Class::Internal, format!("{what}: {}", errno_text(error)))
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self.class {
            Class::Internal => ErrorKind::Internal,
            Class::Unsupported => ErrorKind::NotImplemented,
            Class::InvalidConfig | Class::CommandNotFound | Class::CommandNotExecutable => {
                ErrorKind::InvalidParameter
            }
        }
    }

    /// The exit code that shells use for such a command.
    pub(crate) fn exec_code(&self) -> Option<u8> {
        match self.class {
            Class::CommandNotFound => Some(127),
            Class::CommandNotExecutable => Some(126),
            _ => None,
        }
    }

    /// A message of the channel: the class, then the text.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let class = CLASSES.iter().position(|class| *class == self.class).unwrap_or(0);
        let mut text = self.message.as_str();
        if text.len() > MESSAGE_LIMIT {
            text = &text[..text.floor_char_boundary(MESSAGE_LIMIT)];
        }
        let mut bytes = vec![u8::try_from(class).unwrap_or(0)];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let (class, text) = match bytes.split_first() {
            Some((class, text)) => (CLASSES.get(usize::from(*class)), text),
            None => (None, bytes),
        };
        Self::new(*class.unwrap_or(&Class::Internal), String::from_utf8_lossy(text))
    }
}

/// The kernel's word for an error as C and Go programs print it: lower case, without Rust's number.
pub(crate) fn errno_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match (error.raw_os_error(), text.rfind(" (os error")) {
        (Some(_), Some(end)) => &text[..end],
        _ => &text,
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Names the step that a system call belongs to.
pub(crate) trait During<T> {
    fn during(self, what: impl Display) -> Result<T, Failure>;
    /// The same, with the text made only when it is needed.
    fn during_with<D: Display>(self, what: impl FnOnce() -> D) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::io(what, &error.into()))
    }

    fn during_with<D: Display>(self, what: impl FnOnce() -> D) -> Result<T, Failure> {
        self.map_err(|error| Failure::io(what(), &error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_like_those_of_c_and_go() {
        for (errno, text) in [
            (2, "no such file or directory"),
            (8, "exec format error"),
            (13, "permission denied"),
            (40, "too many levels of symbolic links"),
        ] {
            assert_eq!(errno_text(&io::Error::from_raw_os_error(errno)), text);
        }
        assert_eq!(errno_text(&io::Error::other("Odd thing")), "odd thing");
    }

    #[test]
    fn failures_travel() {
        for class in CLASSES {
            let failure = Failure::new(class, "exec: \"x\": é");
            assert_eq!(Failure::decode(&failure.encode()), failure);
        }
        assert_eq!(Failure::decode(b"").class, Class::Internal);
        let long = Failure::invalid("é".repeat(MESSAGE_LIMIT));
        assert_eq!(Failure::decode(&long.encode()).message.len(), MESSAGE_LIMIT);
    }
}

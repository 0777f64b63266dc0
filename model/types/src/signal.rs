//! Linux signals by name and number, as `signal(7)` lists them for x86 and arm.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid signal: {0}")]
pub struct UnknownSignal(String);

/// A signal that can be sent: 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Signal(i32);

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const ALIASES: [(&str, i32); 5] =
    [("IOT", 6), ("CLD", 17), ("POLL", 29), ("INFO", 29), ("UNUSED", 31)];
const RTMIN: i32 = 34;
const MAX: i32 = 64;

impl Signal {
    /// Hang-up.
    pub const HUP: Self = Self(1);
    /// Interrupt, as Ctrl-C sends it.
    pub const INT: Self = Self(2);
    /// Quit, as Ctrl-\ sends it.
    pub const QUIT: Self = Self(3);
    /// Kill; cannot be caught.
    pub const KILL: Self = Self(9);
    /// Polite end; what `stop` sends by default.
    pub const TERM: Self = Self(15);
    /// A child changed its state.
    pub const CHLD: Self = Self(17);
    /// The terminal changed its size.
    pub const WINCH: Self = Self(28);

    /// The kernel's number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// The signal with the kernel's number `raw`, 1 to 64.
    pub fn from_raw(raw: i32) -> Result<Self, UnknownSignal> {
        if (1..=MAX).contains(&raw) { Ok(Self(raw)) } else { Err(UnknownSignal(raw.to_string())) }
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Takes `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3` and `RTMAX-2`.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let unknown = || UnknownSignal(text.chars().take(40).collect());
        if let Ok(number) = text.parse::<i32>() {
            return Self::from_raw(number).map_err(|_| unknown());
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let offset = |rest: &str, sign: char| -> Option<i32> {
            if rest.is_empty() { Some(0) } else { rest.strip_prefix(sign)?.parse().ok() }
        };
        let number = if let Some(position) = NAMES.iter().position(|known| *known == name) {
            i32::try_from(position + 1).ok()
        } else if let Some((_, number)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
            Some(*number)
        } else if let Some(rest) = name.strip_prefix("RTMIN") {
            offset(rest, '+').map(|n| RTMIN + n)
        } else if let Some(rest) = name.strip_prefix("RTMAX") {
            offset(rest, '-').map(|n| MAX - n)
        } else {
            None
        };
        number.filter(|n| (1..=MAX).contains(n)).map(Self).ok_or_else(unknown)
    }
}

impl TryFrom<i32> for Signal {
    type Error = UnknownSignal;
    fn try_from(raw: i32) -> Result<Self, UnknownSignal> {
        Self::from_raw(raw)
    }
}

impl From<Signal> for i32 {
    fn from(signal: Signal) -> i32 {
        signal.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = usize::try_from(self.0 - 1).unwrap_or(usize::MAX);
        match NAMES.get(index) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_numbers() {
        let cases = [
            ("TERM", 15),
            ("SIGKILL", 9),
            ("sigint", 2),
            ("9", 9),
            ("RTMIN+3", 37),
            ("SIGRTMAX", 64),
            ("IOT", 6),
        ];
        for (text, raw) in cases {
            assert_eq!(text.parse::<Signal>().map(Signal::as_raw), Ok(raw), "{text}");
        }
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
        assert_eq!(Signal(40).to_string(), "40");
    }

    #[test]
    fn refuses_others() {
        for text in ["", "0", "65", "-9", "NOPE", "RTMIN+40", "RTMAX+1", "SIG"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}

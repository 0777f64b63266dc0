//! The words after the second colon of `-v`: each sort at most once, as Docker has it.

use super::bind::PROPAGATIONS;
use crate::error::Error;

/// What the words of a `-v` say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Words {
    pub read_only: bool,
    pub no_copy: bool,
    pub propagation: Option<String>,
}

/// Whose the files of a mount shall be, where SELinux labels them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relabel {
    /// `z`: all containers'.
    Shared,
    /// `Z`: this container's.
    Private,
}

impl Relabel {
    /// What the words of `-v` ask for.
    pub(crate) fn of(mode: &str) -> Option<Self> {
        mode.split(',').find_map(|word| match word {
            "z" => Some(Self::Shared),
            "Z" => Some(Self::Private),
            _ => None,
        })
    }
}

pub(super) fn parse(mode: &str) -> Result<Words, Error> {
    let invalid = || Error::invalid(format!("invalid mode: {mode}"));
    let mut words = Words::default();
    let mut seen = [false; 5];
    for word in mode.split(',').filter(|word| !word.is_empty()) {
        let sort = match word {
            "ro" | "readonly" => {
                words.read_only = true;
                0
            }
            "rw" => 0,
            "z" | "Z" => 1,
            "nocopy" => {
                words.no_copy = true;
                2
            }
            "consistent" | "cached" | "delegated" => 3,
            known if PROPAGATIONS.contains(&known) => {
                words.propagation = Some(known.to_owned());
                4
            }
            _ => return Err(invalid()),
        };
        if std::mem::replace(&mut seen[sort], true) {
            return Err(invalid());
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sort_once() {
        let words = parse("ro,z,rslave,nocopy,cached").unwrap();
        assert!(words.read_only && words.no_copy);
        assert_eq!(words.propagation.as_deref(), Some("rslave"));
        for mode in ["ro,rw", "z,Z", "rslave,shared", "cached,delegated", "weird", "ro,weird"] {
            assert_eq!(parse(mode).unwrap_err().to_string(), format!("invalid mode: {mode}"));
        }
        assert_eq!(parse("").unwrap(), Words::default());
        let asked = ["ro,z", "Z", "ro"].map(Relabel::of);
        assert_eq!(asked, [Some(Relabel::Shared), Some(Relabel::Private), None]);
    }
}

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
            // SELinux labels: this build knows no host with SELinux, where they mean something.
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
    }
}

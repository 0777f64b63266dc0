//! The version of the specification that a document follows.

use crate::failure::Failure;

/// Accepts every version 1: later ones of the same major number only add fields, and unknown fields are left alone.
pub(super) fn check(version: &str) -> Result<(), Failure> {
    if version.is_empty() {
        return Err(Failure::invalid("ociVersion is missing"));
    }
    // As semantic versions are written: numbers, then perhaps a pre-release and a build.
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = numbers.split('.').map(str::parse::<u32>);
    let triple = (parts.next(), parts.next(), parts.next(), parts.next());
    match triple {
        (Some(Ok(1)), Some(Ok(_)), Some(Ok(_)), None) => Ok(()),
        (Some(Ok(_)), Some(Ok(_)), Some(Ok(_)), None) => Err(Failure::invalid(format!(
            "ociVersion {version:?} is not supported: this runtime follows version 1 of the specification"
        ))),
        _ => {
            Err(Failure::invalid(format!("ociVersion {version:?} is not a version such as 1.3.0")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_1_is_accepted_and_nothing_else() {
        for version in ["1.0.0", "1.0.2-dev", "1.3.0", "1.99.0", "1.0.0-rc5", "1.2.3+build.7"] {
            check(version).unwrap();
        }
        for version in ["", "0.9.0", "2.0.0", "1", "1.0", "v1.0.0", "1.0.0.0", "one", "1.-1.0"] {
            assert!(check(version).is_err(), "{version}");
        }
    }
}

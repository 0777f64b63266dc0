//! The moment that all bears that a build makes: `SOURCE_DATE_EPOCH` (reproducible-builds.org).

use gantry_types::Timestamp;

use super::BuildRequest;
use crate::Result;
use crate::error::Error;

/// The argument that has it, in seconds since 1970.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// What the argument says, and in a reproducible build without one the beginning of time.
///
/// # Errors
/// The argument is no number.
pub(super) fn of(request: &BuildRequest) -> Result<Option<Timestamp>> {
    let given = request.arguments.get(EPOCH).and_then(Option::as_deref).map(str::trim);
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(request.is_reproducible.then_some(Timestamp { seconds: 0, nanos: 0 }));
    };
    let seconds = text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
        Error::invalid(format!(
            "invalid {EPOCH} {text:?}: a number of seconds since 1970 is needed"
        ))
    })?;
    Ok(Some(Timestamp { seconds, nanos: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_says_it_or_a_reproducible_build() {
        let of = |value: Option<&str>, is_reproducible: bool| {
            let mut request = BuildRequest { is_reproducible, ..BuildRequest::default() };
            if let Some(value) = value {
                request.arguments.insert(EPOCH.to_owned(), Some(value.to_owned()));
            }
            of(&request).map(|moment| moment.map(|moment| moment.seconds))
        };
        assert_eq!(of(None, false).unwrap(), None);
        assert_eq!(of(None, true).unwrap(), Some(0));
        assert_eq!(of(Some("1700000000"), true).unwrap(), Some(1_700_000_000));
        assert_eq!(of(Some(""), false).unwrap(), None);
        assert!(of(Some("yesterday"), false).is_err() && of(Some("-1"), false).is_err());
    }
}

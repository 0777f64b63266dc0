//! Why single signatures do not count, and all of them in one sentence.

use std::collections::BTreeMap;
use std::fmt;

/// What was wrong with one signature. Words of a registry in it are bounded and quoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// The annotation with the signature is missing, or no base64.
    NoSignature,
    /// The payload is longer than any that we read.
    TooLong,
    /// It is no signature by one of the keys.
    OtherKey,
    /// The key signed something else.
    NoPayload(String),
    /// For another manifest.
    OtherDigest(String),
    /// Made out to a name that does not count for this image.
    OtherName(String),
    /// Made out to no name, where one is asked for.
    NoName,
    /// The document that signatures would be in is none.
    NoManifest,
    /// Over the number that is looked at.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature => write!(f, "not readable"),
            Self::TooLong => write!(f, "longer than {} bytes", crate::cosign::MAX_PAYLOAD_BYTES),
            Self::OtherKey => write!(f, "not by that key"),
            Self::NoPayload(reason) => write!(f, "by that key for something else ({reason})"),
            Self::OtherDigest(digest) => write!(f, "for the manifest {digest}"),
            Self::OtherName(name) => write!(f, "made out to {name}"),
            Self::NoName => write!(
                f,
                "made out to no name, as cosign's bundles are (the policy's signedIdentity may say \"matchDigest\")"
            ),
            Self::NoManifest => write!(f, "no signature manifest"),
            Self::TooMany => write!(f, "over the limit of {}", crate::cosign::MAX_SIGNATURES),
        }
    }
}

/// Different reasons that a sentence has room for.
const MAX_SHOWN: usize = 4;

/// All refusals in one sentence.
pub(crate) fn summary(refusals: &[Refusal]) -> String {
    if refusals.is_empty() {
        return "the registry has no signature of it".to_owned();
    }
    let mut counts: BTreeMap<&Refusal, usize> = BTreeMap::new();
    for refusal in refusals {
        *counts.entry(refusal).or_default() += 1;
    }
    let mut shown: Vec<String> = counts
        .iter()
        .take(MAX_SHOWN)
        .map(|(refusal, count)| format!("{count} {refusal}"))
        .collect();
    if counts.len() > MAX_SHOWN {
        shown.push("others for other reasons".to_owned());
    }
    let number = match refusals.len() {
        1 => "1 signature does".to_owned(),
        more => format!("{more} signatures do"),
    };
    format!("{number} not count: {}", shown.join(", "))
}

/// A registry's words in a form that can be shown.
pub(crate) fn quoted(text: &str) -> String {
    const MAX: usize = 200;
    let short: String = text.chars().take(MAX).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence() {
        assert_eq!(summary(&[]), "the registry has no signature of it");
        assert_eq!(summary(&[Refusal::OtherKey]), "1 signature does not count: 1 not by that key");
        let many = [Refusal::OtherKey, Refusal::OtherName("\"a:1\"".to_owned()), Refusal::OtherKey];
        assert_eq!(
            summary(&many),
            "3 signatures do not count: 2 not by that key, 1 made out to \"a:1\""
        );
    }

    #[test]
    fn hostile_words_are_harmless() {
        assert_eq!(quoted("a\u{1b}[31m"), r#""a\u{1b}[31m""#);
        assert!(quoted(&"x".repeat(5000)).len() < 300);
    }
}

//! Sigstore bundles, as cosign 3 attaches them: one document with the signature of an in-toto statement in a DSSE envelope
//! (cosign's `BUNDLE_SPEC.md`; sigstore's `protobuf-specs`; the DSSE protocol, version 1). Only the signature is taken
//! out of it: certificates and entries of a transparency log say nothing where a key decides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_types::Digest;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::refusal::Refusal;

/// The type of a manifest with a bundle, and of the bundle itself.
pub(crate) const TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The type of what is in the envelope.
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// What a statement is that signs an image, and not one that says something else about it.
const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT_VERSIONS: [&str; 2] =
    ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// A bundle with a certificate and log entries has about 10 KiB.
pub(crate) const MAX_BYTES: u64 = 256 << 10;
/// Signatures of one envelope that are looked at; sigstore makes one.
const MAX_SIGNATURES: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

/// What was signed, and the signatures of it.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) statement: Vec<u8>,
    pub(crate) signatures: Vec<Vec<u8>>,
}

impl Signed {
    /// Takes a bundle apart; nothing of the statement is read before a key has vouched for it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let bundle: Bundle = serde_json::from_slice(bytes).map_err(|_| Refusal::NoSignature)?;
        let envelope = bundle.dsse_envelope;
        let known = bundle.media_type == TYPE
            || bundle.media_type.starts_with("application/vnd.dev.sigstore.bundle+json;version=0.");
        if !known || envelope.payload_type != STATEMENT_TYPE {
            return Err(Refusal::NoSignature);
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| Refusal::NoSignature);
        let signatures = envelope.signatures.iter().take(MAX_SIGNATURES);
        Ok(Self {
            statement: decode(&envelope.payload)?,
            signatures: signatures.map(|one| decode(&one.sig)).collect::<Result<_, _>>()?,
        })
    }
}

/// The bytes that a signature in an envelope covers: `DSSEv1`, type and body, each with its length.
pub(crate) fn covered(statement: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {STATEMENT_TYPE} {} ", STATEMENT_TYPE.len(), statement.len());
    [head.as_bytes(), statement].concat()
}

/// What an in-toto statement says of one image.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The image by name; cosign leaves it out.
    pub(crate) name: String,
    pub(crate) digest: Digest,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Named>,
    #[serde(default, rename = "predicate")]
    _predicate: Value,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    digest: BTreeMap<String, String>,
}

/// The images that a statement signs.
///
/// # Errors
/// Why it is no signature of images.
pub(crate) fn subjects(statement: &[u8]) -> Result<Vec<Subject>, String> {
    let statement: Statement =
        serde_json::from_slice(statement).map_err(|error| error.to_string())?;
    if !STATEMENT_VERSIONS.contains(&statement.kind.as_str()) {
        return Err(format!("its type is {:?}", statement.kind));
    }
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(format!("it is a statement of the type {:?}", statement.predicate_type));
    }
    let mut subjects = Vec::new();
    for Named { name, digest } in statement.subject {
        for (algorithm, hex) in digest {
            // Algorithms that no registry uses are no use here either.
            if let Ok(digest) = format!("{algorithm}:{hex}").parse() {
                subjects.push(Subject { name: name.clone(), digest });
            }
        }
    }
    if subjects.is_empty() {
        return Err("it names no manifest".to_owned());
    }
    Ok(subjects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signature_covers() {
        // The example of the DSSE protocol, with another type.
        let covered = covered(b"hello world");
        assert_eq!(covered, b"DSSEv1 28 application/vnd.in-toto+json 11 hello world");
    }

    #[test]
    fn statements_that_are_no_signatures_of_images() {
        let hex = "a".repeat(64);
        let statement = |kind: &str, predicate: &str, digest: &str| {
            format!(
                r#"{{"_type":"{kind}","predicateType":"{predicate}","subject":[{{"digest":{{"{digest}":"{hex}"}}}}],"predicate":{{}}}}"#
            )
        };
        let good = statement(STATEMENT_VERSIONS[0], PREDICATE_TYPE, "sha256");
        let found = subjects(good.as_bytes()).unwrap();
        assert_eq!((found[0].digest.hex(), found[0].name.as_str()), (hex.as_str(), ""));
        for bad in [
            statement("https://in-toto.io/Statement/v9", PREDICATE_TYPE, "sha256"),
            statement(STATEMENT_VERSIONS[0], "https://slsa.dev/provenance/v1", "sha256"),
            statement(STATEMENT_VERSIONS[0], PREDICATE_TYPE, "md5"),
            good.replace("\"subject\"", "\"subjects\""),
            good.replace("\"_type\"", "\"_type\":\"x\",\"_type\""),
        ] {
            assert!(subjects(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

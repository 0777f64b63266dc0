//! What is signed: the "simple signing" document, which names an image and the digest of its manifest
//! (containers-signature(5); cosign's `SIGNATURE_SPEC.md`). Read strictly, for it decides.

use gantry_types::Digest;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The type by which such a document says that it is one.
const TYPE: &str = "cosign container image signature";

/// What a signature says, once the key vouches for it.
#[derive(Debug)]
pub(crate) struct Payload {
    /// The image by name, as its signer wrote it.
    pub(crate) reference: String,
    /// The manifest.
    pub(crate) digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    critical: Critical,
    /// Notes of the signer. They must be there; cosign writes null when there are none.
    #[serde(rename = "optional", deserialize_with = "Option::deserialize")]
    _optional: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    r#type: String,
    image: Image,
    identity: Identity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

impl Payload {
    /// # Errors
    /// Why it is no such document.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Critical { r#type, image, identity } = document.critical;
        if r#type != TYPE {
            return Err(format!("its type is {type:?}, not {TYPE:?}"));
        }
        Ok(Self { reference: identity.reference, digest: image.digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    const NULL: &str = r#","optional":null"#;

    fn document(critical: &str, optional: &str) -> String {
        format!(r#"{{"critical":{{{critical}}}{optional}}}"#)
    }

    #[test]
    fn what_a_document_must_be() {
        let image = format!(r#""image":{{"docker-manifest-digest":"{DIGEST}"}}"#);
        let identity = r#""identity":{"docker-reference":"r.example/a:1"}"#;
        let kind = format!(r#""type":"{TYPE}""#);
        let good = format!("{kind},{image},{identity}");
        for optional in [r#","optional":null"#, r#","optional":{"creator":"x"}"#] {
            let payload = Payload::parse(document(&good, optional).as_bytes()).unwrap();
            assert_eq!(payload.digest.as_str(), DIGEST);
            assert_eq!(payload.reference, "r.example/a:1");
        }
        for (critical, optional) in [
            (format!("{kind},{image}"), NULL),
            (format!("{kind},{identity}"), NULL),
            (format!("{image},{identity}"), NULL),
            (format!(r#""type":"atomic container signature",{image},{identity}"#), NULL),
            (format!("{good},{identity}"), NULL),
            (format!(r#"{good},"more":1"#), NULL),
            (good.clone(), r#","optional":null,"more":1"#),
            (good.clone(), r#","optional":"x""#),
            (good.clone(), ""),
            (good.replace("sha256:", "md5:"), NULL),
        ] {
            let text = document(&critical, optional);
            assert!(Payload::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}

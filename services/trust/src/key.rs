//! Public keys: read from PEM, told apart by what their document says, asked whether a signature is theirs.

use std::fmt;

use gantry_types::Digest;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use sha2::Digest as _;
use webpki::{RawPublicKeyEntity, ring};

/// The shortest document of an RSA key with 2048 bits: what is shorter has fewer, and would never verify anything.
const MIN_RSA_BYTES: usize = 290;
/// The longest one with 8192 bits.
const MAX_RSA_BYTES: usize = 1070;

const ECDSA: &[&dyn SignatureVerificationAlgorithm] =
    &[ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256];
const RSA: &[&dyn SignatureVerificationAlgorithm] =
    &[ring::RSA_PKCS1_2048_8192_SHA256, ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY];
const ED25519: &[&dyn SignatureVerificationAlgorithm] = &[ring::ED25519];

/// A key that may sign images: ECDSA on P-256 or P-384, RSA with 2048 to 8192 bits, both with SHA-256, or Ed25519.
#[derive(Clone)]
pub(crate) struct PublicKey {
    /// Where it came from, for errors.
    name: String,
    der: SubjectPublicKeyInfoDer<'static>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl PublicKey {
    /// Reads a document with one `PUBLIC KEY` section (RFC 7468). Without a name, the key is called by the SHA-256 of
    /// its `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn from_pem(pem: &[u8], name: Option<String>) -> Result<Self, String> {
        let mut sections = SubjectPublicKeyInfoDer::pem_slice_iter(pem);
        let der = match (sections.next(), sections.next()) {
            (Some(Ok(der)), None) => der,
            (Some(Ok(_)), Some(_)) => return Err("more than one key is in it".to_owned()),
            (None, _) => return Err("no section PUBLIC KEY is in it".to_owned()),
            (Some(Err(error)), _) => return Err(format!("it is no PEM document: {error:?}")),
        };
        let algorithms = algorithms(&der)?;
        let sum = Digest::sha256(sha2::Sha256::digest(der.as_ref()).into());
        let name = name.unwrap_or_else(|| sum.to_string());
        Ok(Self { name, der: der.into_owned(), algorithms })
    }

    /// Whether the owner of this key signed `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(key) = RawPublicKeyEntity::try_from(&self.der) else { return false };
        self.algorithms
            .iter()
            .any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
    }
}

/// What the key can do.
fn algorithms(
    der: &SubjectPublicKeyInfoDer<'_>,
) -> Result<&'static [&'static dyn SignatureVerificationAlgorithm], String> {
    let key = RawPublicKeyEntity::try_from(der)
        .map_err(|error| format!("it is no SubjectPublicKeyInfo: {error}"))?;
    // The parser keeps the key's algorithm to itself, but does not let it be used for another one.
    let fits = |algorithm: &&dyn SignatureVerificationAlgorithm| {
        let tried = key.verify_signature(*algorithm, b"", b"");
        !matches!(tried, Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)))
    };
    let found = [ECDSA, RSA, ED25519].into_iter().find(|family| family.iter().any(fits));
    let length = der.as_ref().len();
    match found {
        Some(family) if std::ptr::eq(family, RSA) && length < MIN_RSA_BYTES => {
            Err("an RSA key needs 2048 bits at least".to_owned())
        }
        Some(family) if std::ptr::eq(family, RSA) && length > MAX_RSA_BYTES => {
            Err("an RSA key has 8192 bits at most".to_owned())
        }
        Some(family) => Ok(family),
        None => Err("it is of a kind that is not supported: ECDSA (P-256, P-384), RSA or Ed25519 \
                     is needed"
            .to_owned()),
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.name).finish()
    }
}

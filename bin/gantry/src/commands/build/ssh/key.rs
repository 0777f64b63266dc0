//! A key out of its file: OpenSSH's own format (PROTOCOL.key), PKCS #1 and PKCS #8, none of them with a passphrase.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RsaEncoding, RsaKeyPair,
};

use super::wire::{Reader, less_one, put_integer, put_string, remainder};

/// The most bytes of a file with a key.
const MAX_BYTES: u64 = 64 << 10;
/// What an OpenSSH key begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What a client asks for of an RSA key (draft-miller-ssh-agent, section 3.6.1).
const SHA_256: u32 = 2;
const SHA_512: u32 = 4;

const ED25519: &str = "ssh-ed25519";
const RSA: &str = "ssh-rsa";

/// A key that signs.
pub(super) struct Key {
    pair: Pair,
    /// How others know it.
    pub(super) public: Vec<u8>,
    /// What its file calls it.
    pub(super) comment: String,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair, &'static Curve),
}

/// A curve that keys are on.
struct Curve {
    /// The type of its keys.
    kind: &'static str,
    name: &'static str,
    /// Bytes of a number.
    length: usize,
    algorithm: &'static EcdsaSigningAlgorithm,
}

static CURVES: [Curve; 2] = [
    Curve {
        kind: "ecdsa-sha2-nistp256",
        name: "nistp256",
        length: 32,
        algorithm: &ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        kind: "ecdsa-sha2-nistp384",
        name: "nistp384",
        length: 48,
        algorithm: &ECDSA_P384_SHA384_FIXED_SIGNING,
    },
];

const NO_KEY: &str = "it is no private key of SSH";
const ENCRYPTED: &str = "it has a passphrase: add it to an agent with ssh-add, and name that";
const UNKNOWN: &str = "its kind is none of ed25519, rsa (2048 bits or more), ecdsa nistp256 and nistp384: add it to an agent with ssh-add, and name that";

impl Key {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let file = File::open(path).map_err(|error| error.to_string())?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|_| NO_KEY.to_owned())?;
        if text.len() as u64 > MAX_BYTES {
            return Err(NO_KEY.to_owned());
        }
        let mut key = Self::parse(&text).map_err(str::to_owned)?;
        if key.comment.is_empty() {
            key.comment = path.display().to_string();
        }
        Ok(key)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (kind, bytes) = armoured(text)?;
        match kind {
            "OPENSSH PRIVATE KEY" => openssh(&bytes),
            "RSA PRIVATE KEY" => {
                Ok(Self::new(Pair::of_rsa(RsaKeyPair::from_der(&bytes).map_err(|_| UNKNOWN)?)))
            }
            "PRIVATE KEY" => {
                let edwards = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).ok();
                let rsa = || RsaKeyPair::from_pkcs8(&bytes).ok();
                let on_curve = |curve: &'static Curve| {
                    let random = SystemRandom::new();
                    let pair = EcdsaKeyPair::from_pkcs8(curve.algorithm, &bytes, &random).ok()?;
                    Some(Pair::Ecdsa(pair, curve))
                };
                let pair = edwards()
                    .map(Pair::Ed25519)
                    .or_else(|| rsa().map(Pair::of_rsa))
                    .or_else(|| CURVES.iter().find_map(on_curve));
                pair.map(Self::new).ok_or(UNKNOWN)
            }
            "ENCRYPTED PRIVATE KEY" => Err(ENCRYPTED),
            "EC PRIVATE KEY" | "DSA PRIVATE KEY" => Err(UNKNOWN),
            _ => Err(NO_KEY),
        }
    }

    fn new(pair: Pair) -> Self {
        let mut public = Vec::new();
        match &pair {
            Pair::Ed25519(pair) => {
                put_string(&mut public, ED25519.as_bytes());
                put_string(&mut public, pair.public_key().as_ref());
            }
            Pair::Rsa(pair) => {
                let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                put_string(&mut public, RSA.as_bytes());
                put_integer(&mut public, &parts.e);
                put_integer(&mut public, &parts.n);
            }
            Pair::Ecdsa(pair, curve) => {
                put_string(&mut public, curve.kind.as_bytes());
                put_string(&mut public, curve.name.as_bytes());
                put_string(&mut public, pair.public_key().as_ref());
            }
        }
        Self { pair, public, comment: String::new() }
    }

    /// Signs; nothing where it cannot as it is asked to.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let (kind, signature) = match &self.pair {
            Pair::Ed25519(pair) => (ED25519, pair.sign(data).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                // SHA-1, which is meant without a flag, signs nothing any more.
                let (kind, padding): (_, &'static dyn RsaEncoding) =
                    match flags & (SHA_256 | SHA_512) {
                        0 => return None,
                        SHA_256 => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
                        _ => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
                    };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, data, &mut signature).ok()?;
                (kind, signature)
            }
            Pair::Ecdsa(pair, curve) => {
                let signed = pair.sign(&random, data).ok()?;
                let (r, s) = signed.as_ref().split_at_checked(curve.length)?;
                let mut both = Vec::new();
                put_integer(&mut both, r);
                put_integer(&mut both, s);
                (curve.kind, both)
            }
        };
        let mut out = Vec::new();
        put_string(&mut out, kind.as_bytes());
        put_string(&mut out, &signature);
        Some(out)
    }
}

impl Pair {
    fn of_rsa(pair: RsaKeyPair) -> Self {
        Self::Rsa(Box::new(pair))
    }
}

/// What stands between the two lines, and what these call it.
fn armoured(text: &str) -> Result<(&str, Vec<u8>), &'static str> {
    let (_, after) = text.split_once("-----BEGIN ").ok_or(NO_KEY)?;
    let (kind, body) = after.split_once("-----").ok_or(NO_KEY)?;
    let (body, _) = body.split_once("-----END ").ok_or(NO_KEY)?;
    if body.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(ENCRYPTED);
    }
    let body: String = body.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(body).map_err(|_| NO_KEY)?;
    Ok((kind, bytes))
}

fn openssh(bytes: &[u8]) -> Result<Key, &'static str> {
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or(NO_KEY)?);
    let cipher = reader.string().ok_or(NO_KEY)?;
    if cipher != b"none" {
        return Err(ENCRYPTED);
    }
    let private = |mut reader: Reader<'_>| {
        let (_derivation, _options) = (reader.string()?, reader.string()?);
        // A file may have room for several, and has one.
        let (_count, _public) = (reader.number()?, reader.string()?);
        reader.string().map(<[u8]>::to_vec)
    };
    let private = private(reader).ok_or(NO_KEY)?;
    let mut reader = Reader::new(&private);
    if reader.number().is_none() || reader.number().is_none() {
        return Err(NO_KEY);
    }
    let kind = reader.string().ok_or(NO_KEY)?;
    let pair = match kind {
        b"ssh-ed25519" => edwards(&mut reader),
        b"ssh-rsa" => rsa(&mut reader),
        _ => {
            let curve = CURVES.iter().find(|curve| curve.kind.as_bytes() == kind);
            on_curve(&mut reader, curve.ok_or(UNKNOWN)?)
        }
    };
    let mut key = Key::new(pair.ok_or(UNKNOWN)?);
    let comment = reader.string().unwrap_or_default();
    key.comment = String::from_utf8_lossy(comment).into_owned();
    Ok(key)
}

fn edwards(reader: &mut Reader<'_>) -> Option<Pair> {
    let (public, private) = (reader.string()?, reader.string()?);
    let pair = Ed25519KeyPair::from_seed_and_public_key(private.get(..32)?, public);
    pair.ok().map(Pair::Ed25519)
}

fn rsa(reader: &mut Reader<'_>) -> Option<Pair> {
    let mut next = || reader.integer();
    let (modulus, exponent, private) = (next()?, next()?, next()?);
    let (inverse, p, q) = (next()?, next()?, next()?);
    let reduced = |prime| remainder(private, &less_one(prime)?);
    let (d_p, d_q) = (reduced(p)?, reduced(q)?);
    let parts = ring::rsa::KeyPairComponents {
        public_key: ring::rsa::PublicKeyComponents { n: modulus, e: exponent },
        d: private,
        p,
        q,
        dP: &d_p[..],
        dQ: &d_q[..],
        qInv: inverse,
    };
    RsaKeyPair::from_components(&parts).ok().map(Pair::of_rsa)
}

fn on_curve(reader: &mut Reader<'_>, curve: &'static Curve) -> Option<Pair> {
    let (_name, public, number) = (reader.string()?, reader.string()?, reader.integer()?);
    let mut private = vec![0; curve.length.checked_sub(number.len())?];
    private.extend_from_slice(number);
    let random = SystemRandom::new();
    let (algorithm, private) = (curve.algorithm, &private);
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, private, public, &random);
    Some(Pair::Ecdsa(pair.ok()?, curve))
}

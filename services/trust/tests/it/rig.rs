//! A folder with keys and a policy, and a registry in memory whose content every test makes up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_oci::image::{Descriptor, Manifest, media_type};
use gantry_trust::{BoxError, Error, Policy, SignatureSource};
use gantry_types::Digest;
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub(crate) const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// How a key signs: the arguments of `openssl genpkey`, and of what makes the signature.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    generate: &'static [&'static str],
    sign: &'static [&'static str],
}

pub(crate) const P256: Kind = Kind {
    generate: &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    sign: &["dgst", "-sha256"],
};
pub(crate) const P384: Kind = Kind {
    generate: &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    sign: P256.sign,
};
pub(crate) const P521: Kind = Kind {
    generate: &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    sign: P256.sign,
};
pub(crate) const RSA: Kind =
    Kind { generate: &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], sign: P256.sign };
pub(crate) const RSA_PSS: Kind = Kind {
    generate: RSA.generate,
    sign: &[
        "dgst",
        "-sha256",
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sigopt",
        "rsa_pss_saltlen:digest",
    ],
};
pub(crate) const RSA_SHORT: Kind =
    Kind { generate: &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], sign: P256.sign };
pub(crate) const ED25519: Kind =
    Kind { generate: &["-algorithm", "ED25519"], sign: &["pkeyutl", "-rawin"] };

/// Keys, policies and files of one test.
pub(crate) struct Rig {
    folder: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Makes a pair; the path of the public key.
    pub(crate) fn key(&self, name: &str, kind: Kind) -> String {
        let (private, public) =
            (self.path(&format!("{name}.key")), self.path(&format!("{name}.pub")));
        openssl(["genpkey", "-out", private.to_str().unwrap()].iter().chain(kind.generate));
        let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
        openssl(["pkey", "-in", private, "-pubout", "-out", public].iter());
        public.to_owned()
    }

    /// A signature by that pair.
    pub(crate) fn sign(&self, name: &str, kind: Kind, message: &[u8]) -> Vec<u8> {
        let (message, signature) = (self.write("message", message), self.path("signature"));
        let key = self.path(&format!("{name}.key"));
        let (key, out) = (key.to_str().unwrap(), signature.to_str().unwrap());
        let end: &[&str] = if kind.sign[0] == "dgst" {
            &["-sign", key, "-out", out, &message]
        } else {
            &["-sign", "-inkey", key, "-in", &message, "-out", out]
        };
        openssl(kind.sign.iter().chain(end));
        fs::read(signature).unwrap()
    }

    /// A policy with these requirements for everything.
    pub(crate) fn policy(&self, requirements: &Value) -> Result<Policy, Error> {
        self.document(&json!({ "default": requirements }).to_string())
    }

    /// A policy with this text.
    pub(crate) fn document(&self, text: &str) -> Result<Policy, Error> {
        Policy::read(self.write("policy.json", text).as_ref())
    }
}

fn openssl<'a>(arguments: impl Iterator<Item = &'a &'a str>) {
    let output = Command::new("openssl").args(arguments.copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a signer signs.
pub(crate) fn payload(reference: &str, digest: &Digest) -> Vec<u8> {
    json!({
        "critical": {
            "type": "cosign container image signature",
            "image": { "docker-manifest-digest": digest.as_str() },
            "identity": { "docker-reference": reference },
        },
        "optional": null,
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(sha2::Sha256::digest(bytes).into())
}

/// A repository.
#[derive(Default)]
pub(crate) struct Repository {
    pub(crate) manifests: BTreeMap<String, Vec<u8>>,
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) referrers: BTreeMap<Digest, Vec<Descriptor>>,
    pub(crate) bundles: BTreeMap<Digest, Vec<Descriptor>>,
    /// Everything that was asked for.
    pub(crate) asked: RefCell<Vec<String>>,
}

impl Repository {
    /// A layer of a signature manifest.
    pub(crate) fn layer(&mut self, payload: &[u8], signature: &str) -> Descriptor {
        let digest = sha256(payload);
        self.blobs.insert(digest.clone(), payload.to_vec());
        let mut layer = Descriptor::new(PAYLOAD_TYPE, digest, payload.len() as u64);
        layer.annotations.insert(ANNOTATION.to_owned(), signature.to_owned());
        layer
    }

    /// [`Repository::layer`] with a signature of bytes.
    pub(crate) fn signed(&mut self, payload: &[u8], signature: &[u8]) -> Descriptor {
        self.layer(payload, &STANDARD.encode(signature))
    }

    /// Attaches signatures by cosign's tag.
    pub(crate) fn attach(&mut self, image: &Digest, layers: Vec<Descriptor>) {
        let tag = format!("sha256-{}.sig", image.hex());
        self.manifests.insert(tag, manifest(layers));
    }

    /// Attaches a bundle as cosign 3 does.
    pub(crate) fn bundle(&mut self, image: &Digest, bundle: &Value) {
        let bytes = bundle.to_string().into_bytes();
        let digest = sha256(&bytes);
        let layer = Descriptor::new(BUNDLE_TYPE, digest.clone(), bytes.len() as u64);
        self.blobs.insert(digest, bytes);
        let document = manifest(vec![layer]);
        let digest = sha256(&document);
        let size = document.len() as u64;
        let referrer = Descriptor::new(media_type::OCI_MANIFEST, digest.clone(), size);
        self.bundles.insert(image.clone(), vec![referrer]);
        self.manifests.insert(digest.to_string(), document);
    }

    /// Attaches signatures as a referrer.
    pub(crate) fn refer(&mut self, image: &Digest, layers: Vec<Descriptor>) {
        let document = manifest(layers);
        let digest = sha256(&document);
        let size = document.len() as u64;
        let referrer = Descriptor::new(media_type::OCI_MANIFEST, digest.clone(), size);
        self.referrers.entry(image.clone()).or_default().push(referrer);
        self.manifests.insert(digest.to_string(), document);
    }
}

/// What cosign 3 signs: a statement about a digest.
pub(crate) fn statement(name: &str, digest: &Digest) -> Vec<u8> {
    let mut subject = json!({ "digest": { "sha256": digest.hex() } });
    if !name.is_empty() {
        subject["name"] = json!(name);
    }
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
    .to_string()
    .into_bytes()
}

/// What a signature in an envelope covers.
pub(crate) fn covered(statement: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 28 application/vnd.in-toto+json {} ", statement.len());
    [head.as_bytes(), statement].concat()
}

/// A bundle as `cosign sign --key` makes it.
pub(crate) fn bundle(statement: &[u8], signature: &[u8]) -> Value {
    json!({
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": { "publicKey": { "hint": "aGludA==" }, "tlogEntries": [] },
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    })
}

fn manifest(layers: Vec<Descriptor>) -> Vec<u8> {
    let config = Descriptor::new(media_type::OCI_CONFIG, sha256(b"{}"), 2);
    serde_json::to_vec(&Manifest::new(config, layers)).unwrap()
}

impl SignatureSource for Repository {
    fn manifest(&self, tag_or_digest: &str) -> Result<Option<Vec<u8>>, BoxError> {
        self.asked.borrow_mut().push(tag_or_digest.to_owned());
        Ok(self.manifests.get(tag_or_digest).cloned())
    }

    fn referrers(&self, digest: &Digest, artifact_type: &str) -> Result<Vec<Descriptor>, BoxError> {
        self.asked.borrow_mut().push(format!("referrers of {digest}"));
        let listed = match artifact_type {
            "application/vnd.dev.cosign.artifact.sig.v1+json" => &self.referrers,
            BUNDLE_TYPE => &self.bundles,
            other => panic!("asked for {other}"),
        };
        Ok(listed.get(digest).cloned().unwrap_or_default())
    }

    fn blob(&self, digest: &Digest, _size_bytes: u64) -> Result<Vec<u8>, BoxError> {
        self.asked.borrow_mut().push(digest.to_string());
        self.blobs.get(digest).cloned().ok_or_else(|| "there is no such blob".into())
    }
}

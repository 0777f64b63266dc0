//! Whether an image may be pulled: signature policies (containers-policy.json(5), as podman and skopeo read them) and
//! the signatures that cosign attaches to images.
//!
//! This crate decides; it fetches nothing. Signatures come through [`SignatureSource`], which the caller implements for
//! its registry. Nothing that comes from there is trusted: numbers and lengths have limits, a signature is compared with
//! the key before its payload is read, and the payload must name both the image and the digest that are asked about.
//!
//! Out of scope: signatures by GPG (`signedBy`) and without keys (Fulcio, Rekor). A policy that asks for those is refused
//! when it is read, not when somebody relies on it.

mod bundle;
mod cosign;
mod error;
mod identity;
mod judge;
mod key;
mod payload;
mod policy;
mod refusal;

pub use cosign::{BoxError, SignatureSource};
pub use error::Error;
pub use judge::Rules;
pub use policy::Policy;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

//! `signedIdentity`: which names a signature may be made out to, for an image that is asked for by another.

use gantry_types::ImageReference;

/// See containers-policy.json(5), `signedIdentity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignedIdentity {
    /// The very name, with the same tag or the same digest.
    Exact,
    /// The very name; for an image that is asked for by digest, any name of its repository. The default.
    RepositoryDigestOrExact,
    /// Any name of the repository.
    Repository,
    /// This name, whatever is asked for.
    ExactReference(ImageReference),
    /// Any name of this repository, whatever is asked for.
    ExactRepository(String),
    /// Any name, and none: the manifest's digest alone counts. For cosign's bundles, which are made out to no name; ours,
    /// not in containers-policy.json(5).
    Digest,
    /// As the default, after another beginning was put in place of the name's.
    Remap {
        /// A registry, or a registry with the beginning of a path.
        prefix: String,
        /// The same in the signer's eyes.
        signed_prefix: String,
    },
}

/// A name in a signature. Tags are not completed there: without one it stands for no image in particular.
struct Signed {
    reference: ImageReference,
    is_name_only: bool,
}

impl Signed {
    fn parse(text: &str) -> Option<Self> {
        let reference: ImageReference = text.parse().ok()?;
        Some(Self { is_name_only: is_name_only(text, &reference), reference })
    }
}

/// Whether the text has neither tag nor digest, so that the parser completed it.
pub(crate) fn is_name_only(text: &str, parsed: &ImageReference) -> bool {
    parsed.digest().is_none() && parsed.tag() == Some("latest") && !text.ends_with(":latest")
}

impl SignedIdentity {
    /// Whether a signature that is made out to `signed` counts for `asked`, which has a tag or a digest, not both.
    pub(crate) fn matches(&self, asked: &ImageReference, signed: &str) -> bool {
        let Some(signed) = Signed::parse(signed) else { return *self == Self::Digest };
        match self {
            Self::Digest => true,
            Self::Exact => is_same(&signed, asked),
            Self::RepositoryDigestOrExact => digest_or_exact(&signed, asked),
            Self::Repository => signed.reference.repository() == asked.repository(),
            Self::ExactReference(reference) => is_same(&signed, reference),
            Self::ExactRepository(repository) => signed.reference.repository() == *repository,
            Self::Remap { prefix, signed_prefix } => remapped(asked, prefix, signed_prefix)
                .is_some_and(|asked| digest_or_exact(&signed, &asked)),
        }
    }
}

fn is_same(signed: &Signed, wanted: &ImageReference) -> bool {
    !signed.is_name_only && signed.reference == *wanted
}

fn digest_or_exact(signed: &Signed, asked: &ImageReference) -> bool {
    match asked.digest() {
        // That the digests agree is compared in any case.
        Some(_) => !signed.is_name_only && signed.reference.repository() == asked.repository(),
        None => is_same(signed, asked),
    }
}

/// The name with its beginning replaced, where that ends at a slash.
fn remapped(asked: &ImageReference, prefix: &str, signed_prefix: &str) -> Option<ImageReference> {
    let (text, repository) = (asked.to_string(), asked.repository());
    let rest = repository.strip_prefix(prefix);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Some(asked.clone());
    }
    format!("{signed_prefix}{}", &text[prefix.len()..]).parse().ok()
}

#[cfg(test)]
mod tests;

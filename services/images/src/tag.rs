//! Giving names to images.

use gantry_types::ImageReference;

use crate::record::{self, IMAGES};
use crate::{Error, Image, ImageId, Images, Result, siblings};

impl Images {
    /// Lets the name `target` lead to the first of these images, and keep the others beside it for their platforms, as
    /// [`Images::resolve_all`] gives them; returns the image to which it led before, if that was another one (it may be
    /// dangling now).
    pub fn tag(&self, family: &[Image], target: &ImageReference) -> Result<Option<ImageId>> {
        if target.digest().is_some() {
            return Err(Error::TagWithDigest);
        }
        if target.familiar_repository() == "sha256" {
            return Err(Error::AmbiguousTag);
        }
        self.name(family, target)
    }

    /// Lets `repository@digest` lead to what a registry has under that digest now: the first image with those beside it
    /// where that is their index, or else the first alone.
    pub fn name_by_digest(&self, family: &[Image], target: &ImageReference) -> Result<()> {
        let index = family.first().and_then(|first| first.index.as_ref());
        let means_all = index.is_some_and(|index| target.digest() == Some(&index.digest));
        let named = if means_all { family } else { &family[..family.len().min(1)] };
        self.name(named, target).map(drop)
    }

    fn name(&self, family: &[Image], target: &ImageReference) -> Result<Option<ImageId>> {
        let missing = || Error::NoSuchImage { reference: target.to_string() };
        let (first, beside) = family.split_first().ok_or_else(missing)?;
        self.db.write(|tx| {
            self.listed.forget();
            if !IMAGES.contains(tx, first.id.as_str())? {
                return Err(Error::NoSuchImage { reference: first.id.to_string() });
            }
            let old = record::set_name(tx, target, &first.id)?;
            for sibling in beside {
                // Somebody may have removed it meanwhile.
                if IMAGES.contains(tx, sibling.id.as_str())? {
                    siblings::add(tx, &record::reference_key(target), &sibling.id)?;
                }
            }
            Ok(old)
        })
    }
}

//! Giving names to images.

use gantry_types::ImageReference;

use crate::record::{self, IMAGES};
use crate::{Error, ImageId, Images, Result};

impl Images {
    /// Lets the name `target` lead to the image; returns the image to which it led before, if that
    /// was another one (it may be dangling now).
    pub fn tag(&self, id: &ImageId, target: &ImageReference) -> Result<Option<ImageId>> {
        if target.digest().is_some() {
            return Err(Error::TagWithDigest);
        }
        if target.familiar_repository() == "sha256" {
            return Err(Error::AmbiguousTag);
        }
        self.name(id, target)
    }

    /// Lets `repository@digest` lead to the image, now that a registry has it under that digest.
    pub fn name_by_digest(&self, id: &ImageId, target: &ImageReference) -> Result<()> {
        self.name(id, target).map(drop)
    }

    fn name(&self, id: &ImageId, target: &ImageReference) -> Result<Option<ImageId>> {
        self.db.write(|tx| {
            self.listed.forget();
            if !IMAGES.contains(tx, id.as_str())? {
                return Err(Error::NoSuchImage { reference: id.to_string() });
            }
            record::set_name(tx, target, id)
        })
    }
}

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
        self.db.write(|tx| {
            if !IMAGES.contains(tx, id.as_str())? {
                return Err(Error::NoSuchImage { reference: id.to_string() });
            }
            record::set_name(tx, target, id)
        })
    }
}

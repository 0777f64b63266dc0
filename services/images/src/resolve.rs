//! From what a user wrote to an image: a name, an id, or an unambiguous part of an id.

use gantry_types::ImageReference;

use crate::record::{self, IMAGES, TAGS};
use crate::{Error, Image, ImageId, Images, Result};

impl Images {
    /// The image that `text` means, by Docker's precedence: a whole id (with or without
    /// `sha256:`), a name, and then the beginning of an id that only one image has.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] when it can be none of these, and [`Error::NoSuchImage`].
    pub fn resolve(&self, text: &str) -> Result<Image> {
        self.db.read(|tx| {
            let (id, shown) = if let Some(id) = whole_id(text) {
                let shown = id.to_string();
                (Some(id), shown)
            } else {
                let reference: ImageReference = text.parse()?;
                let named = TAGS.get(tx, &record::reference_key(&reference))?;
                let id = if named.is_some() { named } else { by_prefix(tx, text)? };
                (id, reference.familiar())
            };
            let row = match &id {
                Some(id) => IMAGES.get(tx, id.as_str())?,
                None => None,
            };
            match (id, row) {
                (Some(id), Some(row)) => record::to_image(tx, id, row),
                _ => Err(Error::NoSuchImage { reference: shown }),
            }
        })
    }

    /// The image with exactly that id.
    pub fn get(&self, id: &ImageId) -> Result<Image> {
        self.db.read(|tx| match IMAGES.get(tx, id.as_str())? {
            Some(row) => record::to_image(tx, id.clone(), row),
            None => Err(Error::NoSuchImage { reference: id.to_string() }),
        })
    }
}

/// An id in full, with or without its algorithm.
fn whole_id(text: &str) -> Option<ImageId> {
    match text.strip_prefix("sha256:") {
        Some(_) => text.parse().ok(),
        None => format!("sha256:{text}").parse().ok(),
    }
}

fn by_prefix(tx: &gantry_db::ReadTx<'_>, text: &str) -> Result<Option<ImageId>> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let keys = IMAGES.keys_with_prefix(tx, &format!("sha256:{digits}"), 2)?;
    match keys.as_slice() {
        [only] => Ok(Some(record::parse_id(only)?)),
        _ => Ok(None),
    }
}

/// Whether `text` is how the id of that image, or its beginning, is written.
pub(crate) fn is_id_prefix(id: &ImageId, text: &str) -> bool {
    id.as_str().starts_with(text) || id.digest().hex().starts_with(text)
}

//! All images as they were read last: a list must not cost more with every image. What changes an image or a name
//! forgets it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::{IMAGES, parse_id, to_image};
use crate::{Image, Images, Result};

/// Set and taken away only within transactions, of which there is one at a time: what is here is what the database
/// says, or will say the moment that a write that is on its way ends.
#[derive(Debug, Default)]
pub(crate) struct Listed(Mutex<Option<Arc<[Image]>>>);

impl Listed {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<[Image]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called within the transaction that changes images or names.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }
}

impl Images {
    /// All images, where nothing has changed since somebody asked. It never waits for the disk.
    pub fn listed(&self) -> Option<Arc<[Image]>> {
        self.listed.lock().clone()
    }

    /// All images, ordered by id. As long as nothing changes, this is the same list.
    pub fn list(&self) -> Result<Arc<[Image]>> {
        if let Some(listed) = &*self.listed.lock() {
            return Ok(Arc::clone(listed));
        }
        self.db.read(|tx| {
            let rows = IMAGES.list(tx)?;
            let images = rows.into_iter().map(|(key, row)| to_image(tx, parse_id(&key)?, row));
            let images: Arc<[Image]> = images.collect::<Result<_>>()?;
            *self.listed.lock() = Some(Arc::clone(&images));
            Ok(images)
        })
    }
}

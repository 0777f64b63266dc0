//! Removing names and images, with Docker's rules for what needs force.

use gantry_db::WriteTx;
use gantry_types::{ContainerId, Digest, ImageReference};

use crate::record::{self, IMAGES, TAGS};
use crate::resolve::is_id_prefix;
use crate::{Error, Image, ImageId, Images, Result};

/// How to remove.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Remove although stopped containers use the image, or several names lead to it.
    pub force: bool,
}

/// A container that was made from an image.
#[derive(Debug, Clone)]
pub struct ImageUser {
    /// The container.
    pub container: ContainerId,
    /// Whether it runs now.
    pub running: bool,
}

/// One thing that was removed, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name, as people write it.
    Untagged(String),
    /// The image itself.
    Deleted(ImageId),
}

impl Images {
    /// Removes what `text` means. A name: the name, and with its last name the image. An id: the
    /// image with its names.
    ///
    /// `users` tells which containers use an image. A running one always keeps it; stopped ones and
    /// further names keep it unless forced. After a [`Removed::Deleted`] its layers may be
    /// collected (see [`Images::chains`]).
    pub fn remove(
        &self,
        text: &str,
        options: RemoveOptions,
        users: impl FnOnce(&ImageId) -> Vec<ImageUser>,
    ) -> Result<Vec<Removed>> {
        let image = self.resolve(text)?;
        let users = users(&image.id);
        let (removed, blobs) = self.db.write(|tx| {
            self.listed.forget();
            // Somebody else may have been faster since it was resolved.
            if !IMAGES.contains(tx, image.id.as_str())? {
                return Err(Error::NoSuchImage { reference: text.to_owned() });
            }
            let removal = Removal { tx, image: &image, options, users: &users };
            if is_id_prefix(&image.id, text) && !is_named(tx, text)? {
                removal.by_id()
            } else {
                removal.by_name(text)
            }
        })?;
        self.sweep_all(&blobs);
        Ok(removed)
    }

    /// Removes an image as it was listed, with all its names. One that has other names by now, or that any container
    /// uses, is a conflict and stays as it is. `users` is as in [`Images::remove`].
    pub fn remove_listed(
        &self,
        image: &Image,
        users: impl FnOnce(&ImageId) -> Vec<ImageUser>,
    ) -> Result<Vec<Removed>> {
        let users = users(&image.id);
        let (removed, blobs) = self.db.write(|tx| {
            self.listed.forget();
            if !IMAGES.contains(tx, image.id.as_str())? {
                return Err(Error::NoSuchImage { reference: image.id.to_string() });
            }
            let options = RemoveOptions { force: users.is_empty() };
            let removal = Removal { tx, image, options, users: &users };
            if record::references(tx, &image.id)? != image.references {
                return Err(removal.conflict(true, "its names have changed meanwhile".to_owned()));
            }
            removal.by_id()
        })?;
        self.sweep_all(&blobs);
        Ok(removed)
    }
}

/// A name that looks like the beginning of an id is a name first, as in [`Images::resolve`].
fn is_named(tx: &WriteTx<'_>, text: &str) -> Result<bool> {
    match text.parse::<ImageReference>() {
        Ok(reference) => Ok(TAGS.contains(tx, &record::reference_key(&reference))?),
        Err(_) => Ok(false),
    }
}

struct Removal<'a> {
    tx: &'a WriteTx<'a>,
    image: &'a Image,
    options: RemoveOptions,
    users: &'a [ImageUser],
}

/// What was removed, and the blobs that may be free now.
type Outcome = (Vec<Removed>, Vec<Digest>);

impl Removal<'_> {
    fn by_name(&self, text: &str) -> Result<Outcome> {
        let reference: ImageReference = text.parse()?;
        let names = record::references(self.tx, &self.image.id)?;
        if !self.options.force
            && has_one_name(&names)
            && let Some(user) = self.users.first()
        {
            // Without its last name the image would be left dangling.
            return Err(Error::ReferenceInUse {
                reference: text.to_owned(),
                container: user.container.short().to_owned(),
                image: self.image.id.short().to_owned(),
            });
        }
        if TAGS.get(self.tx, &record::reference_key(&reference))?.as_ref() != Some(&self.image.id) {
            return Err(Error::NoSuchImage { reference: reference.familiar() });
        }
        let mut removed = Vec::new();
        self.untag(&reference, &mut removed)?;
        let names = record::references(self.tx, &self.image.id)?;
        let same_repository = |name: &ImageReference| name.repository() == reference.repository();
        let tag_left = names.iter().any(|name| name.digest().is_none() && same_repository(name));
        if reference.digest().is_none() && !tag_left {
            // Names by digest go with the last tag of their repository.
            for name in names.iter().filter(|name| same_repository(name)) {
                self.untag(name, &mut removed)?;
            }
        }
        let named = !record::references(self.tx, &self.image.id)?.is_empty();
        if named || self.users.iter().any(|user| user.running) {
            // By force, the last name of an image goes although it has to stay for a container.
            return Ok((removed, Vec::new()));
        }
        self.delete(removed)
    }

    fn by_id(&self) -> Result<Outcome> {
        let names = record::references(self.tx, &self.image.id)?;
        if let Some(user) = self.users.iter().find(|user| user.running) {
            let user = user.container.short();
            return Err(
                self.conflict(false, format!("image is being used by running container {user}"))
            );
        }
        if !self.options.force {
            if !has_one_name(&names) {
                let reason = "image is referenced in multiple repositories";
                return Err(self.conflict(true, reason.to_owned()));
            }
            if let Some(user) = self.users.first() {
                let user = user.container.short();
                return Err(
                    self.conflict(true, format!("image is being used by stopped container {user}"))
                );
            }
        }
        let mut removed = Vec::new();
        for name in &names {
            self.untag(name, &mut removed)?;
        }
        self.delete(removed)
    }

    fn delete(&self, mut removed: Vec<Removed>) -> Result<Outcome> {
        let blobs = record::remove_image(self.tx, &self.image.id)?;
        removed.push(Removed::Deleted(self.image.id.clone()));
        Ok((removed, blobs))
    }

    fn untag(&self, reference: &ImageReference, removed: &mut Vec<Removed>) -> Result<()> {
        record::remove_name(self.tx, reference)?;
        removed.push(Removed::Untagged(reference.familiar()));
        Ok(())
    }

    fn conflict(&self, forcible: bool, reason: String) -> Error {
        Error::DeleteConflict { image: self.image.id.short().to_owned(), forcible, reason }
    }
}

/// Whether all names are one tag and digests of the same repository.
fn has_one_name(names: &[ImageReference]) -> bool {
    let mut tags = names.iter().filter(|name| name.digest().is_none());
    let (first, second) = (tags.next(), tags.next());
    let Some(repository) = first.or(names.first()).map(ImageReference::repository) else {
        return true;
    };
    second.is_none() && names.iter().all(|name| name.repository() == repository)
}

//! Removing names and images, with Docker's rules for what needs force.

use gantry_db::WriteTx;
use gantry_types::{ContainerId, Digest, ImageReference};

use crate::record::{self, IMAGES, TAGS};
use crate::resolve::is_id_prefix;
use crate::{Error, Image, ImageId, Images, Result, siblings};

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
    /// Removes what `text` means. A name: the name, and with its last name the image, also what is there of it for
    /// other platforms. An id: the image with its names; or only the image for that platform, when its names lead to
    /// one for another.
    ///
    /// `users` tells which containers use an image. A running one always keeps it; stopped ones and
    /// further names keep it unless forced. After a [`Removed::Deleted`] its layers may be
    /// collected (see [`Images::chains`]).
    pub fn remove(
        &self,
        text: &str,
        options: RemoveOptions,
        users: impl Fn(&ImageId) -> Vec<ImageUser>,
    ) -> Result<Vec<Removed>> {
        let image = self.resolve(text)?;
        self.removing((&image, text), options, &users, |removal| {
            if removal.image.is_sibling() {
                removal.one_platform()
            } else if is_id_prefix(&image.id, text) && !is_named(removal.tx, text)? {
                removal.by_id()
            } else {
                removal.by_name(text)
            }
        })
    }

    /// Removes an image that names have for several platforms, and leaves those for the others. `users` is as in
    /// [`Images::remove`].
    pub fn remove_platform(
        &self,
        image: &Image,
        options: RemoveOptions,
        users: impl Fn(&ImageId) -> Vec<ImageUser>,
    ) -> Result<Vec<Removed>> {
        let work = |removal: &Removal<'_>| removal.one_platform();
        self.removing((image, image.id.as_str()), options, &users, work)
    }

    /// Does `work` in one transaction, when the image is still there, and then lets go of the blobs.
    fn removing(
        &self,
        (image, text): (&Image, &str),
        options: RemoveOptions,
        users_of: &dyn Fn(&ImageId) -> Vec<ImageUser>,
        work: impl FnOnce(&Removal<'_>) -> Result<Outcome>,
    ) -> Result<Vec<Removed>> {
        let users = users_of(&image.id);
        let (removed, blobs) = self.db.write(|tx| {
            self.listed.forget();
            // Somebody else may have been faster since it was resolved.
            if !IMAGES.contains(tx, image.id.as_str())? {
                return Err(Error::NoSuchImage { reference: text.to_owned() });
            }
            work(&Removal { tx, image, options, users: &users, users_of })
        })?;
        self.sweep_all(&blobs);
        Ok(removed)
    }

    /// Removes an image as it was listed, with all its names, and what these keep for other platforms. One that has
    /// other names by now, or that any container uses, for whatever platform, is a conflict and stays as it is. `users`
    /// is as in [`Images::remove`].
    pub fn remove_listed(
        &self,
        image: &Image,
        users: impl Fn(&ImageId) -> Vec<ImageUser>,
    ) -> Result<Vec<Removed>> {
        let force = users(&image.id).is_empty();
        self.removing((image, image.id.as_str()), RemoveOptions { force }, &users, |removal| {
            if record::references(removal.tx, &image.id)? != image.references {
                return Err(removal.conflict(true, "its names have changed meanwhile".to_owned()));
            }
            for sibling in siblings::companions(removal.tx, &image.id)? {
                if let Some(user) = users(&sibling).first() {
                    let user = user.container.short();
                    let reason = format!("image is being used by container {user}");
                    return Err(removal.conflict(true, reason));
                }
            }
            removal.by_id()
        })
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
    /// Of the image.
    users: &'a [ImageUser],
    /// Of any image.
    users_of: &'a dyn Fn(&ImageId) -> Vec<ImageUser>,
}

/// What was removed, and the blobs that may be free now.
type Outcome = (Vec<Removed>, Vec<Digest>);

impl Removal<'_> {
    fn by_name(&self, text: &str) -> Result<Outcome> {
        let reference: ImageReference = text.parse()?;
        let names = record::references(self.tx, &self.image.id)?;
        let mut freed = siblings::companions(self.tx, &self.image.id)?;
        if !self.options.force && has_one_name(&names) {
            let mut users = self.users.to_vec();
            users.extend(freed.iter().flat_map(self.users_of));
            if let Some(user) = users.first() {
                // Without its last name the image would be left dangling.
                return Err(Error::ReferenceInUse {
                    reference: text.to_owned(),
                    container: user.container.short().to_owned(),
                    image: self.image.id.short().to_owned(),
                });
            }
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
        freed.insert(0, self.image.id.clone());
        // By force, the last name of an image goes although it has to stay for a container.
        self.delete_unnamed(removed, &freed)
    }

    fn by_id(&self) -> Result<Outcome> {
        let names = record::references(self.tx, &self.image.id)?;
        let mut freed = siblings::companions(self.tx, &self.image.id)?;
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
            let mut users = self.users.to_vec();
            users.extend(freed.iter().flat_map(self.users_of));
            if let Some(user) = users.first() {
                return Err(self.conflict(true, used_by(user)));
            }
        }
        let mut removed = Vec::new();
        freed.insert(0, self.image.id.clone());
        for name in &names {
            self.untag(name, &mut removed)?;
        }
        self.delete_unnamed(removed, &freed)
    }

    /// The image alone: its names lead to what is there for other platforms. Those that lead to nothing else go with it, a
    /// tag only by force.
    fn one_platform(&self) -> Result<Outcome> {
        let mut users = self.users.iter();
        if let Some(user) = users.find(|user| user.running || !self.options.force) {
            return Err(self.conflict(!user.running, used_by(user)));
        }
        let gone = siblings::leave(self.tx, &self.image.id)?;
        if !self.options.force
            && let Some(tag) = gone.iter().find(|name| name.digest().is_none())
        {
            let reason = format!("image is all that {} leads to", tag.familiar());
            return Err(self.conflict(true, reason));
        }
        let untagged = gone.iter().map(|name| Removed::Untagged(name.familiar())).collect();
        self.delete_unnamed(untagged, std::slice::from_ref(&self.image.id))
    }

    /// Deletes those of the images to which no name leads any more, and which no running container needs.
    fn delete_unnamed(&self, mut removed: Vec<Removed>, ids: &[ImageId]) -> Result<Outcome> {
        let mut blobs = Vec::new();
        for id in ids {
            let is_named = !record::references(self.tx, id)?.is_empty()
                || !siblings::names(self.tx, id)?.is_empty();
            if is_named || (self.users_of)(id).iter().any(|user| user.running) {
                continue;
            }
            blobs.extend(record::remove_image(self.tx, id)?);
            removed.push(Removed::Deleted(id.clone()));
        }
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

fn used_by(user: &ImageUser) -> String {
    let state = if user.running { "running" } else { "stopped" };
    format!("image is being used by {state} container {}", user.container.short())
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

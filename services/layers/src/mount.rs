//! The recipe for a container's root: what the runtime mounts, in containerd's words.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_types::Digest;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::below;
use crate::chain::{Lower, Place};
use crate::mounts::Held;
use crate::{Error, Layers, Result, writable};

/// One mount, as in containerd's `CreateTaskRequest.rootfs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootfsMount {
    /// The file system: `overlay`.
    pub kind: String,
    /// For overlayfs a name only.
    pub source: String,
    /// As mount(8) takes them, each on its own. In `lowerdir`, a backslash stands before colons and
    /// backslashes that belong to a path.
    pub options: Vec<String>,
}

/// What a container's files must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What the container flushes is on the disk.
    #[default]
    Durable,
    /// Nothing: the writable layer goes with the container (`--rm`). Flushes inside do nothing, and
    /// unmounting, which is on the way of the container's exit, writes nothing to the disk.
    Volatile,
}

/// The mounts that make a root. Their sources and options are good as long as this is there, and this
/// process: layers that are images are mounted by it alone.
#[derive(Debug)]
pub struct Recipe {
    mounts: Vec<RootfsMount>,
    _lower: Lower,
    /// Directories within layers, or the container's own.
    _below: Vec<Place>,
}

impl std::ops::Deref for Recipe {
    type Target = [RootfsMount];

    fn deref(&self) -> &[RootfsMount] {
        &self.mounts
    }
}

/// Where a container's overlay has its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// The topmost first: directories, and images of erofs.
    pub lower: Vec<PathBuf>,
    pub upper: PathBuf,
    pub work: PathBuf,
}

/// A mount of a directory, attached nowhere.
fn detached(directory: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(directory, "", flags)
}

impl Layers {
    /// Tells where the overlay of the container `id` has its parts; touches nothing.
    pub fn directories(&self, id: &str, chain: &[Digest]) -> Result<Directories> {
        writable::check_id(id)?;
        let path = self.shared.dirs.writable.path_of(id);
        Ok(Directories {
            lower: self.lower_paths(chain)?,
            upper: path.join(writable::UPPER),
            work: path.join(writable::WORK),
        })
    }

    /// The mounts that make the root of the container `id`, whose image has the layers `chain`
    /// (diffIDs, lowest first). [`Layers::prepare`] comes before.
    ///
    /// # Errors
    /// A layer is not here, or the writable layer is not.
    pub fn recipe(&self, id: &str, chain: &[Digest]) -> Result<Recipe> {
        self.recipe_with(id, chain, Durability::Durable, None)
    }

    /// [`Layers::recipe`] with a choice of durability, and for a container in a user namespace: its ids are those of the files as they
    /// are on the disk, which stay whatever namespace sees them.
    ///
    /// # Errors
    /// Besides those of [`Layers::recipe`]: the kernel cannot map the ids of a layer's file system.
    pub fn recipe_with(
        &self,
        id: &str,
        chain: &[Digest],
        durability: Durability,
        namespace: Option<BorrowedFd<'_>>,
    ) -> Result<Recipe> {
        let (lower, own) = self.parts(id, chain, namespace)?;
        let mut options = vec![
            lowerdir(&lower.paths()),
            format!("upperdir={}", own.path().join(writable::UPPER).display()),
            format!("workdir={}", own.path().join(writable::WORK).display()),
            // With these, the upper directory is the layer's difference and nothing else.
            "index=off".to_owned(),
            "redirect_dir=off".to_owned(),
            "metacopy=off".to_owned(),
        ];
        if durability == Durability::Volatile {
            options.push("volatile".to_owned());
        }
        let (kind, source) = ("overlay".to_owned(), "overlay".to_owned());
        let mounts = vec![RootfsMount { kind, source, options }];
        Ok(Recipe { mounts, _lower: lower, _below: vec![own] })
    }

    /// The layers of a container, and the directory that has its upper and its work directory: both in one mount, as overlayfs wants
    /// them.
    pub(crate) fn parts(
        &self,
        id: &str,
        chain: &[Digest],
        namespace: Option<BorrowedFd<'_>>,
    ) -> Result<(Lower, Place)> {
        writable::check_id(id)?;
        self.forget_volatile_mount(id)?;
        let lower = self.lower_of_container(chain)?;
        let own = Place::at(self.shared.dirs.writable.path_of(id));
        match namespace {
            Some(namespace) => Ok((lower.mapped(namespace)?, own.mapped(namespace)?)),
            None => Ok((lower, own)),
        }
    }

    /// The mount of an image's files, with layers `chain`, for whoever only reads them: of all of them, or of a directory
    /// that is `below` the root.
    ///
    /// # Errors
    /// A layer is not here, or nothing or no directory is at that path.
    pub fn recipe_of_chain(&self, chain: &[Digest], below: &str) -> Result<Recipe> {
        let held = self.lower(chain)?;
        let mut paths = held.paths();
        let mut directories = Vec::new();
        if !below.is_empty() {
            directories = self.directories_below(chain, &paths, below)?;
            paths = directories.iter().map(|place| place.path().to_owned()).collect();
        }
        // Overlayfs wants two when there is no upper directory, and none of them twice.
        let empty = self.shared.dirs.empty();
        let options = if paths == [empty.clone()] {
            Vec::new()
        } else {
            if !paths.contains(&empty) {
                paths.push(empty);
            }
            vec![lowerdir(&paths), "index=off".to_owned()]
        };
        let (kind, source) =
            if options.is_empty() { ("tmpfs", "tmpfs") } else { ("overlay", "overlay") };
        let mount = RootfsMount { kind: kind.to_owned(), source: source.to_owned(), options };
        Ok(Recipe { mounts: vec![mount], _lower: held, _below: directories })
    }

    /// The directories at a path of each layer, the topmost first, as far down as they show.
    fn directories_below(
        &self,
        chain: &[Digest],
        layers: &[PathBuf],
        below: &str,
    ) -> Result<Vec<Place>> {
        let nothing = |error: Errno| Error::store("find in the image", Path::new(below), error);
        // Links on the way lead where they lead in the whole image.
        let view = self.look_at_chain(chain)?;
        let place = below::open(view.as_fd(), below).map_err(nothing)?;
        let path = below::path_of(&place).map_err(nothing)?;
        let mut found = Vec::new();
        for layer in layers {
            let failed = |error: Errno| Error::store("open", layer, error);
            // What is in a mount of this namespace is none for whoever mounts in another: it gets one that is attached nowhere.
            let is_attached = layer.starts_with(&self.shared.dirs.layers.path);
            let hold = |dir| {
                let held = if is_attached { detached(&dir) } else { Ok(dir) };
                held.map(|dir| Place::held(Held::new(dir)))
            };
            match below::in_layer(layer, &path).map_err(failed)? {
                below::InLayer::Nothing => {}
                below::InLayer::Hidden => break,
                below::InLayer::Shows(dir) => found.push(hold(dir).map_err(failed)?),
                below::InLayer::Alone(dir) => {
                    found.push(hold(dir).map_err(failed)?);
                    break;
                }
            }
        }
        if found.is_empty() { Err(nothing(Errno::NOENT)) } else { Ok(found) }
    }

    /// A volatile mount leaves a mark that forbids the next mount, because a crash of the machine may
    /// have come between. It has not: such containers don't outlive a boot. Also tells whether the
    /// writable layer is there.
    pub(crate) fn forget_volatile_mount(&self, id: &str) -> Result<()> {
        let room = &self.shared.dirs.writable;
        let work = format!("{id}/{}", writable::WORK);
        let failed = |error: Errno| Error::store("open", &room.path_of(&work), error);
        let dir = match room.open_dir(&work) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Err(Error::NoWritable { id: id.to_owned() }),
            Err(error) => return Err(failed(error)),
        };
        gantry_archive::tree::remove(dir.as_fd(), b"work/incompat")
            .map_err(|source| Error::Tree { action: "prepare a volatile mount again", source })
    }
}

fn lowerdir(paths: &[PathBuf]) -> String {
    let escaped = |dir: &PathBuf| dir.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:");
    let lower: Vec<String> = paths.iter().map(escaped).collect();
    format!("lowerdir={}", lower.join(":"))
}

//! From an image's chain of layers to what overlayfs puts together.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use gantry_sys::mount::set_id_mapping;
use gantry_types::Digest;
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::dirs::EMPTY;
use crate::mounts::Held;
use crate::row::LayerRow;
use crate::state::State;
use crate::{Error, Format, Layers, Result};

/// The most directories that overlayfs stacks (`OVL_MAX_STACK` in Linux 6.x).
const MAX_STACK: usize = 500;
/// What a view of a container has beside its image's layers and what is below them: its writable layer, and the empty one.
const OTHERS: usize = 2;

/// Where the kernel finds a layer's root.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// What the path depends on.
    #[expect(dead_code, reason = "it is there to be dropped with the path")]
    held: Option<Held>,
}

impl Place {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, held: None }
    }

    pub(crate) fn held(held: Held) -> Self {
        Self { path: held.path(), held: Some(held) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same in a mount, attached nowhere, whose ids are those of `namespace`.
    pub(crate) fn mapped(self, namespace: BorrowedFd<'_>) -> Result<Self> {
        let path = &self.path;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let view = open_tree(CWD, path, flags)
            .map_err(|error| Error::store("make another mount of", path, error))?;
        set_id_mapping(view.as_fd(), namespace, false)
            .map_err(|error| Error::store("map the ids of files in", path, error))?;
        Ok(Self::held(Held::new(view)))
    }
}

/// The lower layers of an overlay, the topmost first; their paths are good as long as this is there.
#[derive(Debug)]
pub(crate) struct Lower(Vec<Place>);

impl Lower {
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|place| place.path.clone()).collect()
    }

    /// The same with the ids of `namespace`.
    pub(crate) fn mapped(self, namespace: BorrowedFd<'_>) -> Result<Self> {
        self.0.into_iter().map(|place| place.mapped(namespace)).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn put_on_top(&mut self, path: PathBuf) {
        self.0.insert(0, Place::at(path));
    }
}

impl From<Place> for Lower {
    fn from(place: Place) -> Self {
        Self(vec![place])
    }
}

impl Layers {
    /// The layers of a chain (diffIDs, lowest first) as overlayfs wants them: topmost first, at least
    /// one.
    pub(crate) fn lower(&self, chain: &[Digest]) -> Result<Lower> {
        let numbers = self.overlaid(chain)?;
        numbers
            .into_iter()
            .map(|(number, format)| self.place(number, format))
            .collect::<Result<_>>()
            .map(Lower)
    }

    /// The same as a container has them: below all, where something is mounted.
    pub(crate) fn lower_of_container(&self, chain: &[Digest]) -> Result<Lower> {
        let mut lower = self.lower(chain)?;
        lower.0.extend(self.points_below(lower.0.len()).map(Place::at));
        Ok(lower)
    }

    /// Where what a container has below its writable layer lies on the disk, topmost first.
    pub(crate) fn lower_paths(&self, chain: &[Digest]) -> Result<Vec<PathBuf>> {
        let numbers = self.overlaid(chain)?;
        let path = |(number, format)| self.shared.dirs.data(number, format);
        let points = self.points_below(numbers.len());
        Ok(numbers.into_iter().map(path).chain(points).collect())
    }

    /// Where something is mounted, below so many layers; a container of more has to make the places for itself.
    fn points_below(&self, layers: usize) -> Option<PathBuf> {
        (layers < MAX_STACK - OTHERS).then(|| self.shared.dirs.points())
    }

    /// The layers that an overlay needs, topmost first.
    fn overlaid(&self, chain: &[Digest]) -> Result<Vec<(u64, Format)>> {
        let state = self.shared.state();
        let mut numbers = Vec::with_capacity(chain.len());
        for row in rows(&state, chain)?.into_iter().rev() {
            numbers.push((row.number, row.format));
            // Overlayfs ignores the mark of an opaque directory on a layer's root.
            if row.root_opaque {
                break;
            }
        }
        if numbers.is_empty() {
            numbers.push((EMPTY, Format::Directory));
        }
        Ok(numbers)
    }

    /// The root of the topmost layer that says what the root looks like.
    pub(crate) fn root_model(&self, chain: &[Digest]) -> Result<Place> {
        let model = {
            let state = self.shared.state();
            let topmost = rows(&state, chain)?.into_iter().rev().find(|row| row.root_given);
            topmost.map(|row| (row.number, row.format))
        };
        let (number, format) = model.unwrap_or((EMPTY, Format::Directory));
        self.place(number, format)
    }

    pub(crate) fn place(&self, number: u64, format: Format) -> Result<Place> {
        let data = self.shared.dirs.data(number, format);
        match format {
            Format::Directory => Ok(Place::at(data)),
            Format::Erofs => {
                let make = || format.behaviour().open(&data, self.shared.label.as_deref());
                let is_there = || self.shared.state().rows.values().any(|row| row.number == number);
                Ok(Place::held(self.shared.mounts.of(number, make, is_there)?))
            }
        }
    }
}

fn rows<'a>(state: &'a State, chain: &[Digest]) -> Result<Vec<&'a LayerRow>> {
    let mut rows = Vec::with_capacity(chain.len());
    for (depth, diff_id) in chain.iter().enumerate() {
        let row = state
            .find(diff_id, &chain[..depth])
            .ok_or_else(|| Error::Missing { diff_id: diff_id.clone() })?;
        rows.push(row);
    }
    Ok(rows)
}

//! What a build states about the images that it gives: which packages are in them (SPDX), and how and of what they were made (SLSA).

mod given;
mod provenance;

use std::os::fd::AsFd;

use gantry_build::Built;
use gantry_images::Predicate;
use gantry_inventory::spdx;
use gantry_types::{ImageReference, Timestamp};

use super::{BuildRequest, chain};
use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

pub use given::{Attestations, Detail};
pub(super) use provenance::{Material, Source};

/// How a build went.
pub(super) struct Course<'a> {
    /// When it began.
    pub(super) began: Timestamp,
    /// What it was made of.
    pub(super) materials: Vec<Material>,
    /// What it followed.
    pub(super) source: Source<'a>,
}

/// What is stated about an image. `wanted` fails when nobody waits for it any more. Blocks.
pub(super) fn predicates(
    engine: &Engine,
    built: &Built,
    request: &BuildRequest,
    (course, wanted): (&Course<'_>, &dyn Fn() -> gantry_build::Result<()>),
) -> Result<Vec<Predicate>> {
    let mut predicates = Vec::new();
    if request.attestations.sbom {
        let files = engine.layers.look_at_chain(&chain(&built.layers))?;
        let wanted = || wanted().map_err(|_| gantry_inventory::Error::Unwanted);
        let inventory = gantry_inventory::take(files.as_fd(), &wanted)
            .map_err(|error| Error::invalid(gantry_types::error_chain(&error)))?;
        let name = request.tags.iter().find_map(|tag| tag.parse::<ImageReference>().ok());
        let name = name.map_or_else(|| "image".to_owned(), |name| name.familiar());
        let created = request.epoch.unwrap_or(course.began);
        let content = spdx::document(&inventory, &name, created);
        predicates.push(Predicate { kind: spdx::PREDICATE.to_owned(), content });
    }
    if let Some(detail) = request.attestations.provenance {
        let content = provenance::document(built, request, (course, detail))?;
        predicates.push(Predicate { kind: provenance::PREDICATE.to_owned(), content });
    }
    Ok(predicates)
}

//! What steps gave, between builds of different engines: in a registry, in a folder of the client's, or in the image itself. Steps
//! are known by the solver's own keys; what a build finds so is fetched when a step needs it, and remembered from then on.

mod export;
mod given;
mod import;

pub(super) use export::{add_inline, export};
pub use given::{CacheFrom, CachePlace, CacheTo, Mode};
pub(super) use import::Imports;

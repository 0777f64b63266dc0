//! A client of image registries: manifests, blobs and tags over the distribution API (distribution-spec 1.1, and
//! Docker's registry HTTP API V2 where it goes further).
//!
//! This service speaks to registries and judges what they answer; it keeps nothing on the disk and knows no images.
//! It is synchronous: whoever wants several blobs at once calls it from several threads.
//!
//! Nothing that a registry says is trusted: documents are bounded, digests and sizes are compared with what was asked
//! for, every wait has an end, and credentials go to nobody but the registry and the token server that it names, and
//! never from an encrypted connection to a plain one.

mod answer;
mod authorization;
mod blob;
mod challenge;
mod client;
mod config;
mod credentials;
mod download;
mod endpoint;
mod error;
mod inline;
mod manifest;
mod referrers;
mod repository;
mod retry;
mod search;
mod tags;
mod token;
mod transport;
mod upload;

pub use client::Client;
pub use config::{Config, Proxies};
pub use credentials::Credentials;
pub use download::{Download, Validators};
pub use endpoint::is_listed;
pub use error::Error;
pub use inline::inline;
pub use manifest::Document;
pub use repository::{Access, Repository, Source};
pub use search::Found;
pub use upload::Uploaded;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

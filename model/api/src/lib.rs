//! The Engine API's JSON, by hand: one file per resource, the newest version we speak (1.55).
//!
//! Requests are read as leniently as Docker's engine reads them (`null` is the default, unknown fields are
//! ignored); responses are written with its choices of `null`, `[]`, `{}` and absent, which clients depend on.
//! Values only: what a network mode or a volume specification *means* is the engine's business, and what older
//! versions of the API look like is `edge/docker-http`'s.

#![allow(
    clippy::struct_excessive_bools,
    reason = "the documents have as many flags as Docker gave them"
)]

pub mod build;
pub mod container;
pub mod error;
pub mod exec;
mod go;
pub mod image;
pub mod mount;
pub mod network;
pub mod plugin;
pub mod system;
pub mod volume;

pub use error::ErrorResponse;

#[cfg(test)]
mod tests;

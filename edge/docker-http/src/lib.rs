//! Docker's Engine API over HTTP: routes, versions, bodies and statuses around the engine's use cases.
//!
//! This crate translates and decides nothing: a handler reads a request as the newest version of the API means it,
//! calls one use case and writes its answer; [`compat`] holds what older versions say differently.

mod answered;
mod authorization;
mod body;
mod build;
mod call;
mod compat;
mod config;
mod connection;
mod container;
mod dispatch;
mod error;
mod exec;
mod first_line;
mod hijack;
mod image;
mod listener;
mod local_peer;
mod metrics;
mod network;
mod plugin;
mod progress;
mod query;
mod registry_auth;
mod reply;
mod route;
mod serve;
mod socket;
mod status;
mod system;
pub mod tls;
mod version;
mod volume;

pub use config::Config;
pub use error::Error;
pub use listener::Listener;
pub use metrics::{Figures, serve_metrics};
pub use serve::serve;
pub use version::{ApiVersion, InvalidVersion, Versions};

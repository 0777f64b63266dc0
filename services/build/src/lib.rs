//! Builds: from a Dockerfile and its context to the layers and the configuration of an image.
//!
//! Stages that the target needs are built, those that do not wait for one another at the same time. What a step gives is
//! remembered under a key of all that it depends on: the layers below, what it executes or brings, and nothing of times, names or
//! places. How a command runs and where layers lie is not known here: whoever builds gives a [`Workshop`].
//!
//! ```text
//! let built = build(&workshop, &Plan { dockerfile, context, request }, &teller)?;
//! ```

mod configuration;
mod elsewhere;
mod error;
mod files;
mod hashes;
mod identity;
mod key;
mod memory;
mod place;
mod request;
mod select;
mod solve;
mod stage;
mod transfer;
mod variables;
mod walk;
mod workshop;

pub use error::{Error, Failure};
pub use hashes::Hashes;
pub use memory::{Memory, Remembered};
pub use place::open_ordinary;
pub use request::{Context, Grants, NamedContext, Plan, Request, Secret};
pub use solve::{Built, Done, build};
pub use variables::PROXIES;
pub use workshop::{
    Base, Checkout, Download, Execution, Imported, Layer, RunMount, RunNetwork, Teller, Told,
    Workshop,
};

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

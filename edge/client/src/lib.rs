//! The typed client of the Engine API, for the command line and the tests: one method per call, over a Unix socket, TCP with or
//! without TLS, or `ssh`.
//!
//! It carries requests and answers and knows nothing of terminals, environments or starting a daemon: those are the
//! command line's. What the documents mean is `gantry-api`'s.

mod archive;
mod body;
mod build;
mod client;
mod connection;
mod container;
mod error;
mod exec;
mod frames;
mod hijack;
mod host;
mod image;
mod network;
mod plugin;
mod query;
mod ssh;
mod system;
mod tls;
mod upload;
mod version;
mod volume;

pub use archive::CopyInQuery;
pub use body::{BodyReader, JsonLines};
pub use build::{BuildLimits, BuildPruneQuery, BuildQuery, BuildResults, BuildSources};
pub use client::Client;
pub use container::{
    AttachQuery, CommitQuery, ListQuery, LogsQuery, PendingWait, RemoveQuery, StopQuery,
    TerminalSize, WaitCondition,
};
pub use error::Error;
pub use frames::{FramesError, demultiplex};
pub use gantry_tls::Error as InvalidTls;
pub use hijack::Hijacked;
pub use host::{Host, InvalidHost};
pub use image::{ImageListQuery, ImageRemoveQuery, ImportQuery, Progress, PullQuery, PushQuery};
pub use ssh::SshHost;
pub use system::Ping;
pub use tls::{Tls, TlsFiles};
pub use upload::Upload;
pub use version::{ApiVersion, InvalidVersion};

/// What every call gives.
pub type Result<T> = std::result::Result<T, Error>;

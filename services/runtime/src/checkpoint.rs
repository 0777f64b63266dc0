//! Checkpoint and restore through CRIU: a container's processes are written to image files, and made again from them.
//!
//! CRIU is a program of its own (<https://criu.org>), spoken to as `criu swrk` over a socket. What is the container's and what is the
//! host's (bind mounts, masked files, namespaces by path, standard streams) is told to it from the bundle's document. A directory of
//! images is input like any other: names in it lead nowhere, and what was restored is examined before it runs.

mod dialogue;
mod dump;
mod examine;
mod external;
mod filters;
mod images;
mod log;
mod options;
mod restore;
mod rpc;
mod stage;

pub use dialogue::find_criu;
pub use dump::checkpoint;
pub use options::{
    AfterDump, CgroupMode, CheckpointOptions, CriuOptions, PageServer, RestoreOptions, Switch,
};
pub use restore::restore;

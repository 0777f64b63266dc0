//! What tests need to drive a real Gantry: daemons of their own, command lines, a terminal, raw HTTP, images, and
//! a way to prove that nothing was left behind.
//!
//! Nothing in here knows the product's code: it starts the installed binaries and speaks to them as a user or a
//! client does, so a mistake in a crate cannot hide in the test of that crate. Functions panic with a full
//! sentence when the stage cannot be set: in a test that is the failure wanted.

mod binaries;
mod connect_proxy;
mod containerd;
mod daemon;
mod deadline;
mod enclosure;
mod engines;
mod http;
mod image;
mod invocation;
mod made_registry;
mod network_host;
mod outcome;
mod private_mounts;
mod registry;
mod relay;
mod snapshot;
mod tar;
mod terminal;
mod tmpfs;
mod tree;

pub use binaries::{
    Binaries, checkout, compose_programs, docker_cli, python_with_sdk, require_root,
};
pub use connect_proxy::ConnectProxy;
pub use containerd::{Containerd, Events, Under};
pub use daemon::{Daemon, Options};
pub use deadline::{TIMEOUT, poll, poll_for};
pub use enclosure::Enclosure;
pub use engines::{Dockerd, Podman};
pub use http::{HttpReply, http, http_at, try_http};
pub use image::busybox::{busybox, busybox_layer};
pub use image::debian::debian_archive;
pub use image::{Image, Layer, gzip, sha256, sha512};
pub use invocation::{Invocation, Running};
pub use made_registry::{MadeRegistry, Reply, Request};
pub use network_host::NetworkHost;
pub use outcome::Outcome;
pub use private_mounts::private_mounts;
pub use registry::Registry;
pub use relay::Relay;
pub use snapshot::Snapshot;
pub use tar::{Entry, Kind, Tar};
pub use terminal::Terminal;
pub use tmpfs::SmallDisk;
pub use tree::Tree;

//! Engines of others, from Debian's packages, with our runtime or our shim in them: what their users do every day works as it does
//! with runc. Each engine has an enclosure of its own.

mod buildah;
mod containerd;
mod dockerd;
mod podman;
mod podman_flags;
mod podman_namespaces;

/// Ends with 9 when it is asked to, and says when it listens.
const SLEEPER: &str = "trap 'echo bye; exit 9' TERM; echo listening; while :; do sleep 0.05; done";

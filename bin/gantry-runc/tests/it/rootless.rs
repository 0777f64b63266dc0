//! Containers of users who are not root: in user namespaces of their own, with and without the tools that map more ids, and in the one
//! that a rootless engine made around the runtime. They need root, to become such users, and Debian's `uidmap`, `crun`,
//! `runc` and `podman`.

mod cgroups;
mod ids;
mod joined;
mod life;
mod namespaces;
mod onlookers;
mod podman;
mod rig;

//! Control groups, v1, v2 and hybrid: making them, limits, joining, killing, freezing, numbers and removal.
//!
//! A [`Cgroup`] is one container's place in every hierarchy that the machine mounts. All work goes through descriptors of
//! its directories, opened once. systemd's scopes are not made here, and nothing is mounted: [`Cgroup::mounts`] only says
//! what a container's `/sys/fs/cgroup` consists of.
//!
//! ```text
//! let hierarchies = Hierarchies::detect()?;
//! let cgroup = Cgroup::create(&hierarchies, &"/gantry/<id>".parse()?, &resources)?;   // undone on failure
//! let join = cgroup.join_handle()?;
//! // clone3 with join.unified() as CLONE_INTO_CGROUP; the child, still with one thread: join.enter()?
//! cgroup.kill()?; cgroup.remove()?;
//! ```
//!
//! Sources: cgroups(7), the kernel's Documentation/admin-guide/{cgroup-v1,cgroup-v2.rst}, runtime-spec 1.3 config-linux.md.

mod apply;
mod cgroup;
mod create;
mod delegate;
mod devices;
mod directory;
mod error;
mod freeze;
mod hierarchy;
mod join;
mod kill;
mod mountinfo;
mod mounts;
mod others;
mod own_place;
mod path;
mod remove;
mod resources;
mod setting;
mod stats;
#[cfg(test)]
mod tests;
mod unit;

pub use cgroup::Cgroup;
pub use error::Error;
pub use hierarchy::{Hierarchies, Hierarchy, Layout, Version};
pub use join::JoinHandle;
pub use mounts::ContainerMount;
pub use others::Other;
pub use path::CgroupPath;
pub use resources::cpu::weight as cpu_weight;
pub use stats::{BlockIoStats, CpuStats, DeviceIo, MemoryStats, PidsStats, Stats};
pub use unit::{Slice, is_unit_name};

//! Setting limits on a cgroup, at creation and later.

use std::io;

use gantry_oci::runtime::LinuxResources;
use rustix::io::Errno;

use crate::cgroup::Cgroup;
use crate::devices;
use crate::error::Error;
use crate::hierarchy::{Layout, Version};
use crate::resources::{block_io, cpu, hugetlb, memory, network, pids, rdma, unified};
use crate::setting::{self, Setting};

/// When limits are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Devices are always restricted.
    Creation,
    /// What the resources do not mention stays as it is, devices included.
    Update,
}

impl Cgroup {
    /// Changes the limits that `resources` names; the others stay.
    ///
    /// # Errors
    /// The first limit that is unknown, impossible or refused is named; those before it are in force then.
    pub fn apply(&self, resources: &LinuxResources) -> Result<(), Error> {
        self.apply_on(Occasion::Update, resources)
    }

    pub(crate) fn apply_on(
        &self,
        occasion: Occasion,
        resources: &LinuxResources,
    ) -> Result<(), Error> {
        if let Some(cpu) = &resources.cpu {
            self.set(("cpuset", "cpuset"), |_| Ok(cpu::cpuset(cpu)))?;
            self.set(("cpu", "cpu"), |version| cpu::settings(cpu, version))?;
        }
        if let Some(memory) = &resources.memory {
            self.set_memory(memory)?;
        }
        if let Some(limits) = &resources.pids {
            self.set(("pids", "pids"), |_| Ok(pids::settings(*limits)))?;
        }
        if let Some(block_io) = &resources.block_io {
            self.set(("blkio", "io"), |version| block_io::settings(block_io, version))?;
        }
        if !resources.hugepage_limits.is_empty() {
            let limits = &resources.hugepage_limits;
            self.set(("hugetlb", "hugetlb"), |version| hugetlb::settings(limits, version))?;
        }
        if let Some(network) = &resources.network {
            self.set(("net_cls", ""), |version| network::class(network, version))?;
            self.set(("net_prio", ""), |version| network::priorities(network, version))?;
        }
        if !resources.rdma.is_empty() {
            self.set(("rdma", "rdma"), |_| rdma::settings(&resources.rdma))?;
        }
        if !resources.unified.is_empty() {
            let settings = unified::settings(&resources.unified)?;
            let Some(member) = self.unified() else {
                return Err(Error::NotInVersion { setting: "unified".to_owned(), version: "v1" });
            };
            setting::write_all(&member.directory, &settings)?;
        }
        if occasion == Occasion::Creation || !resources.devices.is_empty() {
            devices::apply(self, &resources.devices)?;
        }
        Ok(())
    }

    /// Writes what `settings` says for the version that has the controller.
    fn set(
        &self,
        (v1, v2): (&'static str, &'static str),
        settings: impl Fn(Version) -> Result<Vec<Setting>, Error>,
    ) -> Result<(), Error> {
        if let Some(member) = self.member(v1, v2) {
            let settings = settings(member.hierarchy.version())?;
            return setting::write_all(&member.directory, &settings);
        }
        let version = self.version_without_controller();
        match settings(version)?.into_iter().find(|setting| !setting.is_no_limit) {
            None => Ok(()),
            Some(setting) => Err(Error::NoController {
                setting: setting.name.into_owned(),
                controller: if version == Version::V1 || v2.is_empty() { v1 } else { v2 },
            }),
        }
    }

    fn set_memory(&self, memory: &gantry_oci::runtime::Memory) -> Result<(), Error> {
        if let Some(member) = self.member("memory", "memory") {
            memory::check_usage(&member.directory, member.hierarchy.version(), memory)?;
        }
        let result = self.set(("memory", "memory"), |version| memory::settings(memory, version));
        // The kernel could not get usage below the new limit.
        match (result, self.member("memory", "memory"), memory.limit) {
            (Err(Error::Set { setting, source, .. }), Some(member), Some(limit))
                if setting == memory::LIMIT && is_busy(&source) =>
            {
                Err(memory::in_use(&member.directory, member.hierarchy.version(), limit)?)
            }
            (result, _, _) => result,
        }
    }

    fn version_without_controller(&self) -> Version {
        if self.layout == Layout::Unified { Version::V2 } else { Version::V1 }
    }
}

fn is_busy(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BUSY)
}

//! Limits: memory, processors, processes, block devices and `ulimit`s.

mod block_io;
mod cpu;
mod memory;

use std::collections::BTreeMap;

use gantry_api::container::{HostConfig, Ulimit};
use gantry_oci::runtime::{LinuxResources, Pids, Rlimit};

use super::HostFacts;
use super::support::LimitSupport;
use crate::error::Error;

pub(crate) use block_io::with_devices;

/// What the host has for those who ask for limits, and what to tell them.
struct Asked<'a> {
    support: &'a LimitSupport,
    cpus: u32,
    warnings: &'a mut Vec<String>,
}

impl Asked<'_> {
    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }
}

/// The cgroup's limits; completes `MemorySwap` as Docker does, and takes away what this host's kernel cannot limit.
pub(super) fn resolve(
    host: &mut HostConfig,
    facts: &HostFacts,
    warnings: &mut Vec<String>,
) -> Result<LinuxResources, Error> {
    let mut asked = Asked { support: &facts.limits, cpus: facts.cpus, warnings };
    let memory = memory::resolve(host, &mut asked)?;
    let pids = pids(host, &mut asked);
    let cpu = cpu::resolve(host, &mut asked)?;
    let block_io = block_io::resolve(host, &mut asked)?;
    Ok(LinuxResources { memory, cpu, pids, block_io, ..LinuxResources::default() })
}

fn pids(host: &mut HostConfig, asked: &mut Asked<'_>) -> Option<Pids> {
    if !asked.support.pids {
        if host.pids_limit.is_some_and(|limit| limit > 0) {
            asked.warn(
                "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit \
                 discarded.",
            );
        }
        host.pids_limit = None;
    }
    // Zero and below are no limit, and are shown as none.
    host.pids_limit = host.pids_limit.filter(|limit| *limit > 0);
    host.pids_limit.map(|limit| Pids { limit: Some(limit) })
}

/// `--ulimit`; −1 is unlimited. Those of `defaults` hold where the container has none of that name.
pub(super) fn rlimits(
    ulimits: &[Ulimit],
    defaults: &BTreeMap<String, Ulimit>,
) -> Result<Vec<Rlimit>, Error> {
    let convert = |ulimit: &Ulimit| {
        let name = ulimit.name.to_ascii_lowercase();
        if !Ulimit::NAMES.contains(&name.as_str()) {
            return Err(Error::invalid(format!("invalid ulimit type: {}", ulimit.name)));
        }
        // The kernel's RLIM_INFINITY is all ones, which is what −1 becomes.
        let (soft, hard) = (ulimit.soft.cast_unsigned(), ulimit.hard.cast_unsigned());
        if soft > hard {
            return Err(Error::invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                ulimit.soft, ulimit.hard
            )));
        }
        Ok(Rlimit { kind: format!("RLIMIT_{}", name.to_ascii_uppercase()), soft, hard })
    };
    let mut rlimits = ulimits.iter().map(convert).collect::<Result<Vec<_>, _>>()?;
    for (index, rlimit) in rlimits.iter().enumerate() {
        if rlimits[..index].iter().any(|earlier| earlier.kind == rlimit.kind) {
            let name = ulimits[index].name.as_str();
            return Err(Error::invalid(format!("ulimit {name} is given twice: give it once")));
        }
    }
    for default in defaults.values() {
        let default = convert(default)?;
        if rlimits.iter().all(|own| own.kind != default.kind) {
            rlimits.push(default);
        }
    }
    Ok(rlimits)
}

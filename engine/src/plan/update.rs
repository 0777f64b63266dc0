//! A plan with other limits and another restart policy: what a request leaves open stays as it was.

use gantry_api::container::{HostConfig, RestartPolicy};
use gantry_oci::runtime::Pids;

use super::{ContainerPlan, HostFacts, resources};
use crate::error::Error;

impl ContainerPlan {
    /// The plan after `change`, of which zeros and empty texts mean no change, and what to warn of.
    pub(crate) fn with_update(
        &self,
        change: &HostConfig,
        facts: &HostFacts,
    ) -> Result<(Self, Vec<String>), Error> {
        let mut host = self.host_config.clone();
        conflicts(change, &host)?;
        merge_memory(&mut host, change)?;
        merge_cpu(&mut host, change);
        merge_block_io(&mut host, change);
        if change.pids_limit.is_some() {
            host.pids_limit = change.pids_limit;
        }
        if !change.restart_policy.name.is_empty() {
            restart_policy(&change.restart_policy, host.auto_remove)?;
            host.restart_policy = change.restart_policy.clone();
        }
        let mut warnings = Vec::new();
        let mut resources = resources::resolve(&mut host, facts, &mut warnings)?;
        if change.pids_limit.is_some_and(|limit| limit <= 0) && facts.limits.pids {
            // Nothing said would leave the limit as it is.
            resources.pids = Some(Pids { limit: Some(-1) });
            host.pids_limit = Some(0);
        }
        Ok((Self { resources, host_config: host, ..self.clone() }, warnings))
    }
}

/// What cannot be set beside what is set already.
fn conflicts(change: &HostConfig, host: &HostConfig) -> Result<(), Error> {
    let cases = [
        (change.nano_cpus > 0 && host.cpu_period > 0, "Nano CPUs", "CPU Period"),
        (change.nano_cpus > 0 && host.cpu_quota > 0, "Nano CPUs", "CPU Quota"),
        (change.cpu_period > 0 && host.nano_cpus > 0, "CPU Period", "NanoCPUs"),
        (change.cpu_quota > 0 && host.nano_cpus > 0, "CPU Quota", "NanoCPUs"),
    ];
    match cases.into_iter().find(|(conflict, ..)| *conflict) {
        Some((_, new, old)) => Err(Error::invalid(format!(
            "Conflicting options: {new} cannot be updated as {old} has already been set"
        ))),
        None => Ok(()),
    }
}

fn merge_memory(host: &mut HostConfig, change: &HostConfig) -> Result<(), Error> {
    if change.memory != 0 {
        if change.memory_swap == 0 && host.memory_swap > 0 && change.memory > host.memory_swap {
            return Err(Error::invalid(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same \
                 time",
            ));
        }
        host.memory = change.memory;
    }
    for (own, new) in [
        (&mut host.memory_swap, change.memory_swap),
        (&mut host.memory_reservation, change.memory_reservation),
    ] {
        if new != 0 {
            *own = new;
        }
    }
    Ok(())
}

fn merge_cpu(host: &mut HostConfig, change: &HostConfig) {
    for (own, new) in [
        (&mut host.cpu_shares, change.cpu_shares),
        (&mut host.cpu_period, change.cpu_period),
        (&mut host.cpu_quota, change.cpu_quota),
        (&mut host.nano_cpus, change.nano_cpus),
        (&mut host.cpu_realtime_period, change.cpu_realtime_period),
        (&mut host.cpu_realtime_runtime, change.cpu_realtime_runtime),
    ] {
        if new != 0 {
            *own = new;
        }
    }
    for (own, new) in
        [(&mut host.cpuset_cpus, &change.cpuset_cpus), (&mut host.cpuset_mems, &change.cpuset_mems)]
    {
        if !new.is_empty() {
            own.clone_from(new);
        }
    }
}

fn merge_block_io(host: &mut HostConfig, change: &HostConfig) {
    if change.blkio_weight != 0 {
        host.blkio_weight = change.blkio_weight;
    }
    for device in &change.blkio_weight_device {
        host.blkio_weight_device.retain(|known| known.path != device.path);
        host.blkio_weight_device.push(device.clone());
    }
    for (own, new) in [
        (&mut host.blkio_device_read_bps, &change.blkio_device_read_bps),
        (&mut host.blkio_device_write_bps, &change.blkio_device_write_bps),
        (&mut host.blkio_device_read_iops, &change.blkio_device_read_iops),
        (&mut host.blkio_device_write_iops, &change.blkio_device_write_iops),
    ] {
        // By device: those that are not named keep their limit, and a rate of zero lifts it.
        for device in new {
            own.retain(|known| known.path != device.path);
            own.push(device.clone());
        }
    }
}

/// Fails on a restart policy that there is not, and on one that contradicts itself or `--rm`.
pub(super) fn restart_policy(policy: &RestartPolicy, auto_remove: bool) -> Result<(), Error> {
    let retries = policy.maximum_retry_count;
    match policy.name.as_str() {
        "" | "no" if retries == 0 => return Ok(()),
        "" | "no" | "always" | "unless-stopped" if retries != 0 => {
            let but = if retries < 0 { " and a negative one with none" } else { "" };
            return Err(Error::invalid(format!(
                "invalid restart policy: maximum retry count can only be used with 'on-failure'{but}"
            )));
        }
        "on-failure" if retries < 0 => {
            return Err(Error::invalid(
                "invalid restart policy: maximum retry count cannot be negative",
            ));
        }
        "always" | "unless-stopped" | "on-failure" => {}
        name => {
            return Err(Error::invalid(format!(
                "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or \
                 'unless-stopped'"
            )));
        }
    }
    if auto_remove {
        return Err(Error::invalid("can't create 'AutoRemove' container with restart policy"));
    }
    Ok(())
}

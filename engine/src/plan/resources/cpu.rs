//! Processor time, and which processors.

use gantry_api::container::HostConfig;
use gantry_oci::runtime::Cpu;

use super::super::support::list_holds;
use super::Asked;
use crate::error::Error;

const PERIOD_US: u64 = 100_000;
const NANOS_PER_CPU: i64 = 1_000_000_000;
const LEAST_NANO_CPUS: i64 = NANOS_PER_CPU / 100;

/// Checks what was asked for, in Docker's words.
pub(super) fn resolve(host: &mut HostConfig, asked: &mut Asked<'_>) -> Result<Option<Cpu>, Error> {
    discard(host, asked)?;
    check_time(host, asked.cpus)?;
    check_realtime(host, asked)?;
    check_sets(host, asked)?;
    let set = |number: i64| (number != 0).then_some(number);
    let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    let mut cpu = Cpu {
        shares: positive(host.cpu_shares),
        quota: set(host.cpu_quota),
        period: positive(host.cpu_period),
        realtime_runtime: set(host.cpu_realtime_runtime),
        realtime_period: positive(host.cpu_realtime_period),
        cpus: host.cpuset_cpus.clone(),
        mems: host.cpuset_mems.clone(),
        ..Cpu::default()
    };
    if host.nano_cpus > 0 {
        // One billionth of a CPU is a ten-thousandth of a microsecond in each period of 100 ms.
        cpu.period = Some(PERIOD_US);
        cpu.quota = Some(host.nano_cpus / 10_000);
    }
    Ok((cpu != Cpu::default()).then_some(cpu))
}

/// Takes away what this kernel does not have.
fn discard(host: &mut HostConfig, asked: &mut Asked<'_>) -> Result<(), Error> {
    let support = asked.support;
    if host.nano_cpus > 0 && !support.cpu_cfs {
        return Err(Error::invalid(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
        ));
    }
    if host.cpu_shares > 0 && !support.cpu_shares {
        asked.warn(
            "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
        );
        host.cpu_shares = 0;
    }
    if (host.cpu_period != 0 || host.cpu_quota != 0) && !support.cpu_cfs {
        asked.warn("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
        (host.cpu_period, host.cpu_quota) = (0, 0);
    }
    if host.cpu_percent > 0 {
        asked.warn("linux does not support CPU percent. Percent discarded.");
        host.cpu_percent = 0;
    }
    let has_set = !host.cpuset_cpus.is_empty() || !host.cpuset_mems.is_empty();
    if has_set && !support.cpuset {
        asked.warn(
            "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.",
        );
        host.cpuset_cpus.clear();
        host.cpuset_mems.clear();
    }
    Ok(())
}

fn check_time(host: &HostConfig, cpus: u32) -> Result<(), Error> {
    let HostConfig { nano_cpus: nanos, cpu_period: period, cpu_quota: quota, .. } = *host;
    if nanos > 0 && period > 0 {
        return Err(Error::invalid(
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ));
    }
    if nanos > 0 && quota > 0 {
        return Err(Error::invalid(
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ));
    }
    let most = i64::from(cpus).saturating_mul(NANOS_PER_CPU);
    if nanos != 0 && !(LEAST_NANO_CPUS..=most).contains(&nanos) {
        return Err(Error::invalid(format!(
            "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        )));
    }
    if period != 0 && !(1_000..=1_000_000).contains(&period) {
        return Err(Error::invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ));
    }
    if quota > 0 && quota < 1_000 {
        return Err(Error::invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)"));
    }
    if host.cpu_shares < 0 {
        return Err(Error::invalid(format!(
            "invalid CPU shares ({}): value must be a positive integer",
            host.cpu_shares
        )));
    }
    Ok(())
}

/// Realtime is the first cgroup version's, of kernels that were built for it.
fn check_realtime(host: &HostConfig, asked: &Asked<'_>) -> Result<(), Error> {
    let (period, runtime) = (host.cpu_realtime_period, host.cpu_realtime_runtime);
    if (period != 0 || runtime != 0) && !asked.support.cpu_realtime {
        return Err(Error::invalid("Your kernel does not support CPU real-time scheduler"));
    }
    if period < 0 || runtime < -1 {
        return Err(Error::invalid("CPU real-time period and runtime are numbers of microseconds"));
    }
    if period != 0 && runtime > period {
        return Err(Error::invalid(
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ));
    }
    Ok(())
}

fn check_sets(host: &HostConfig, asked: &Asked<'_>) -> Result<(), Error> {
    let support = asked.support;
    for (name, what, wanted, available) in [
        ("cpus", "CPUs", &host.cpuset_cpus, &support.cpus),
        ("mems", "memory nodes", &host.cpuset_mems, &support.memory_nodes),
    ] {
        match list_holds(available, wanted) {
            Some(true) => {}
            Some(false) => {
                return Err(Error::invalid(format!(
                    "Requested {what} are not available - requested {wanted}, available: {available}"
                )));
            }
            None => {
                return Err(Error::invalid(format!(
                    "Invalid value {} for cpuset {name}",
                    wanted.escape_debug()
                )));
            }
        }
    }
    Ok(())
}

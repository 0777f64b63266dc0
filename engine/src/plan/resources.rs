//! Limits: memory, processors, processes, `ulimit`s, and the log's size.

use gantry_api::container::{HostConfig, LogConfig, Ulimit};
use gantry_oci::runtime::{BlockIo, Cpu, LinuxResources, Memory, Pids, Rlimit};
use gantry_types::ByteSize;

use super::{HostFacts, LogPlan, checks};
use crate::error::Error;

const LEAST_MEMORY_BYTES: i64 = 6 << 20;
const CPU_PERIOD_US: u64 = 100_000;
const NANOS_PER_CPU: i64 = 1_000_000_000;
const LEAST_NANO_CPUS: i64 = NANOS_PER_CPU / 100;

/// The cgroup's limits; completes `MemorySwap` as Docker does.
pub(super) fn resolve(host: &mut HostConfig, facts: &HostFacts) -> Result<LinuxResources, Error> {
    let memory = memory(host)?;
    let cpu = cpu(host, facts)?;
    let pids = match host.pids_limit {
        None | Some(0) => None,
        Some(limit) if limit < 0 => Some(Pids { limit: Some(-1) }),
        limit => Some(Pids { limit }),
    };
    let block_io = match host.blkio_weight {
        0 => None,
        weight if (10..=1000).contains(&weight) => {
            Some(BlockIo { weight: Some(weight), ..BlockIo::default() })
        }
        _ => return Err(Error::invalid("Range of blkio weight is from 10 to 1000")),
    };
    Ok(LinuxResources { memory, cpu, pids, block_io, ..LinuxResources::default() })
}

fn memory(host: &mut HostConfig) -> Result<Option<Memory>, Error> {
    let HostConfig { memory: limit, memory_swap: swap, memory_reservation: reservation, .. } =
        *host;
    if limit < 0 || (limit != 0 && limit < LEAST_MEMORY_BYTES) {
        return Err(Error::invalid("Minimum memory limit allowed is 6MB"));
    }
    if reservation < 0 || (reservation != 0 && reservation < LEAST_MEMORY_BYTES) {
        return Err(Error::invalid("Minimum memory reservation allowed is 6MB"));
    }
    if limit > 0 && swap > 0 && swap < limit {
        return Err(Error::invalid(
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ));
    }
    if limit == 0 && swap > 0 {
        return Err(Error::invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ));
    }
    if limit > 0 && reservation > limit {
        return Err(Error::invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ));
    }
    let swappiness = match host.memory_swappiness {
        None | Some(-1) => None,
        Some(percent) => match u64::try_from(percent) {
            Ok(percent) if percent <= 100 => Some(percent),
            _ => {
                return Err(Error::invalid(format!(
                    "Invalid value: {percent}, valid memory swappiness range is 0-100"
                )));
            }
        },
    };
    if limit > 0 && swap == 0 {
        // As much swap as memory is Docker's default.
        host.memory_swap = limit.saturating_mul(2);
    }
    let set = |bytes: i64| (bytes != 0).then_some(bytes);
    let memory = Memory {
        limit: set(limit),
        reservation: set(reservation),
        swap: set(host.memory_swap),
        swappiness,
        disable_oom_killer: host.oom_kill_disable.filter(|disable| *disable),
        ..Memory::default()
    };
    Ok((memory != Memory::default()).then_some(memory))
}

fn cpu(host: &HostConfig, facts: &HostFacts) -> Result<Option<Cpu>, Error> {
    let HostConfig {
        nano_cpus: nanos,
        cpu_period: period,
        cpu_quota: quota,
        cpu_shares: shares,
        ..
    } = *host;
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
    let most = i64::from(facts.cpus).saturating_mul(NANOS_PER_CPU);
    if nanos != 0 && !(LEAST_NANO_CPUS..=most).contains(&nanos) {
        let cpus = facts.cpus;
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
    if shares < 0 {
        return Err(Error::invalid(format!(
            "invalid CPU shares ({shares}): value must be a positive integer"
        )));
    }
    checks::cpuset("cpus", &host.cpuset_cpus)?;
    checks::cpuset("mems", &host.cpuset_mems)?;
    let mut cpu = Cpu {
        shares: u64::try_from(shares).ok().filter(|shares| *shares > 0),
        quota: (quota != 0).then_some(quota),
        period: u64::try_from(period).ok().filter(|period| *period > 0),
        cpus: host.cpuset_cpus.clone(),
        mems: host.cpuset_mems.clone(),
        ..Cpu::default()
    };
    if nanos > 0 {
        // One billionth of a CPU is a ten-thousandth of a microsecond in each period of 100 ms.
        cpu.period = Some(CPU_PERIOD_US);
        cpu.quota = Some(nanos / 10_000);
    }
    Ok((cpu != Cpu::default()).then_some(cpu))
}

/// `--ulimit`; −1 is unlimited.
pub(super) fn rlimits(ulimits: &[Ulimit]) -> Result<Vec<Rlimit>, Error> {
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
    let rlimits = ulimits.iter().map(convert).collect::<Result<Vec<_>, _>>()?;
    for (index, rlimit) in rlimits.iter().enumerate() {
        if rlimits[..index].iter().any(|earlier| earlier.kind == rlimit.kind) {
            let name = ulimits[index].name.as_str();
            return Err(Error::invalid(format!("ulimit {name} is given twice: give it once")));
        }
    }
    Ok(rlimits)
}

/// `--log-driver` and `--log-opt`. Rotation is on by default, so that no log fills the disk. A log has from 1 to 10,000
/// files, which is as many as the log's writer looks after.
pub(super) fn log(config: &LogConfig) -> Result<Option<LogPlan>, Error> {
    const DEFAULT_MAX_SIZE_BYTES: u64 = 20 << 20;
    const DEFAULT_MAX_FILES: u32 = 5;
    const MOST_FILES: u32 = 10_000;
    let driver = config.r#type.as_str();
    if driver == "none" {
        return Ok(None);
    }
    let mut plan = LogPlan { max_size_bytes: DEFAULT_MAX_SIZE_BYTES, max_files: DEFAULT_MAX_FILES };
    for (key, value) in &config.config {
        let invalid = |wanted: &str| {
            Error::invalid(format!("invalid value {value:?} for log option {key}: give {wanted}"))
        };
        match key.as_str() {
            "max-size" => {
                let size = value.parse().map(ByteSize::bytes).ok().filter(|bytes| *bytes > 0);
                plan.max_size_bytes = size.ok_or_else(|| invalid("a size such as 10m"))?;
            }
            "max-file" => {
                let count = value.parse().ok().filter(|count| (1..=MOST_FILES).contains(count));
                plan.max_files = count.ok_or_else(|| invalid("a number from 1 to 10000"))?;
            }
            // Files take what is written at once: there is nothing that a container could wait for.
            "mode" if matches!(value.as_str(), "blocking" | "non-blocking") => {}
            "mode" => return Err(invalid("blocking or non-blocking")),
            "max-buffer-size" => {
                value.parse::<ByteSize>().map_err(|_| invalid("a size such as 4m"))?;
            }
            "compress" if value == "false" => {}
            "compress" => return Err(Error::not_there_yet("compression of logs (compress=true)")),
            // Read by `logs --details`.
            "labels" | "env" | "tag" => {}
            _ => {
                return Err(Error::invalid(format!(
                    "unknown log opt '{key}' for {driver} log driver"
                )));
            }
        }
    }
    Ok(Some(plan))
}

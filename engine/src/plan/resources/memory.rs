//! Memory and swap.

use gantry_api::container::HostConfig;
use gantry_oci::runtime::Memory;

use super::Asked;
use crate::error::Error;

const LEAST_BYTES: i64 = 6 << 20;

/// Checks and completes what was asked for, as Docker does: `MemorySwap` is twice the memory where it is left open.
pub(super) fn resolve(
    host: &mut HostConfig,
    asked: &mut Asked<'_>,
) -> Result<Option<Memory>, Error> {
    // What is inherited is shown as nothing.
    host.memory_swappiness = host.memory_swappiness.filter(|percent| *percent != -1);
    discard(host, asked);
    let HostConfig { memory: limit, memory_swap: swap, memory_reservation: reservation, .. } =
        *host;
    if limit < 0 || (limit != 0 && limit < LEAST_BYTES) {
        return Err(Error::invalid("Minimum memory limit allowed is 6MB"));
    }
    if reservation < 0 || (reservation != 0 && reservation < LEAST_BYTES) {
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
    let swappiness = swappiness(host.memory_swappiness)?;
    if limit > 0 && swap == 0 {
        // As much swap as memory is Docker's default.
        host.memory_swap = limit.saturating_mul(2);
    }
    let set = |bytes: i64| (bytes != 0).then_some(bytes);
    let memory = Memory {
        limit: set(limit),
        reservation: set(reservation),
        swap: set(host.memory_swap).filter(|_| asked.support.swap),
        swappiness,
        disable_oom_killer: host.oom_kill_disable.filter(|disable| *disable),
        ..Memory::default()
    };
    Ok((memory != Memory::default()).then_some(memory))
}

/// Takes away what this kernel does not have.
fn discard(host: &mut HostConfig, asked: &mut Asked<'_>) {
    let support = asked.support;
    if host.memory > 0 && !support.memory {
        asked.warn(
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
        );
        (host.memory, host.memory_swap) = (0, -1);
    }
    if host.memory > 0 && host.memory_swap != -1 && !support.swap {
        asked.warn(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without \
             swap.",
        );
        host.memory_swap = -1;
    }
    if matches!(host.memory_swappiness, Some(0..)) && !support.swappiness {
        asked.warn(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory \
             swappiness discarded.",
        );
        host.memory_swappiness = None;
    }
    if host.memory_reservation > 0 && !support.memory_reservation {
        asked.warn(
            "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation \
             discarded.",
        );
        host.memory_reservation = 0;
    }
    let keeps_alive = host.oom_kill_disable == Some(true);
    if !support.oom_kill_disable {
        if keeps_alive {
            asked.warn("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
        }
        host.oom_kill_disable = None;
        return;
    }
    host.oom_kill_disable.get_or_insert(false);
    if keeps_alive && host.memory == 0 {
        asked.warn(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system \
             running out of resources.",
        );
    }
}

/// Per cent; absent inherits.
fn swappiness(given: Option<i64>) -> Result<Option<u64>, Error> {
    match given {
        None => Ok(None),
        Some(percent) => match u64::try_from(percent) {
            Ok(percent) if percent <= 100 => Ok(Some(percent)),
            _ => Err(Error::invalid(format!(
                "Invalid value: {percent}, valid memory swappiness range is 0-100"
            ))),
        },
    }
}

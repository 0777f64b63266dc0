//! `memory`.

use gantry_oci::runtime::Memory;

use super::{bad_value, limit_text};
use crate::directory::Directory;
use crate::error::Error;
use crate::hierarchy::Version;
use crate::setting::Setting;

/// The name of the setting whose refusal says that memory is in use.
pub(crate) const LIMIT: &str = "memory.limit";
const SWAP: &str = "memory.swap";

/// Zero is no setting, as in runc. `kernel` is obsolete in the specification and in the kernel, and is not set; v2 has no
/// `kernelTCP`, `swappiness`, `disableOOMKiller` and `useHierarchy`, and Docker's daemon warns about them there.
pub(crate) fn settings(memory: &Memory, version: Version) -> Result<Vec<Setting>, Error> {
    match version {
        Version::V1 => v1(memory),
        Version::V2 => v2(memory),
    }
}

fn v1(memory: &Memory) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    let limit = memory.limit.filter(|limit| *limit != 0);
    if memory.use_hierarchy == Some(true) {
        settings.push(Setting::new("memory.useHierarchy", "memory.use_hierarchy", 1));
    }
    if let Some(limit) = limit {
        settings.push(Setting::new(LIMIT, "memory.limit_in_bytes", limit).no_limit_if(limit < 0));
    }
    // Without a limit of memory there can be none of memory with swap either.
    let swap = match memory.swap.filter(|swap| *swap != 0) {
        None if limit == Some(-1) => Some(-1),
        swap => swap,
    };
    if let Some(swap) = swap {
        refuse_less_than_memory(swap, limit)?;
        let setting = Setting::new(SWAP, "memory.memsw.limit_in_bytes", swap);
        settings.push(setting.no_limit_if(swap < 0));
    }
    if let Some(reservation) = memory.reservation.filter(|reservation| *reservation != 0) {
        let setting = Setting::new("memory.reservation", "memory.soft_limit_in_bytes", reservation);
        settings.push(setting.no_limit_if(reservation < 0));
    }
    if let Some(limit) = memory.kernel_tcp.filter(|limit| *limit != 0) {
        let setting = Setting::new("memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", limit);
        settings.push(setting.no_limit_if(limit < 0));
    }
    if let Some(swappiness) = memory.swappiness {
        if swappiness > 100 {
            let reason = "valid memory swappiness range is 0-100";
            return Err(bad_value("memory.swappiness", swappiness, reason));
        }
        settings.push(Setting::new("memory.swappiness", "memory.swappiness", swappiness));
    }
    if let Some(disable) = memory.disable_oom_killer {
        let setting =
            Setting::new("memory.disableOOMKiller", "memory.oom_control", u8::from(disable));
        settings.push(setting.no_limit_if(!disable));
    }
    Ok(settings)
}

fn v2(memory: &Memory) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    let limit = memory.limit.filter(|limit| *limit != 0);
    if let Some(swap) = swap_alone(memory.swap.filter(|swap| *swap != 0), limit)? {
        // A kernel without swap has no such file, and needs none for these two.
        let setting = Setting::new(SWAP, "memory.swap.max", limit_text(swap, Version::V2));
        settings.push(setting.no_limit_if(swap <= 0));
    }
    if let Some(limit) = limit {
        let text = limit_text(limit, Version::V2);
        settings.push(Setting::new(LIMIT, "memory.max", text).no_limit_if(limit < 0));
    }
    if let Some(reservation) = memory.reservation.filter(|reservation| *reservation != 0) {
        let text = limit_text(reservation, Version::V2);
        settings.push(Setting::new("memory.reservation", "memory.low", text));
    }
    Ok(settings)
}

/// What remains for swap when the specification's `swap` counts memory, too. -1 is no limit.
fn swap_alone(swap: Option<i64>, limit: Option<i64>) -> Result<Option<i64>, Error> {
    let Some(swap) = swap else {
        return Ok((limit == Some(-1)).then_some(-1));
    };
    if swap < 0 {
        return Ok(Some(-1));
    }
    refuse_less_than_memory(swap, limit)?;
    match limit {
        Some(limit) if limit > 0 => Ok(Some(swap - limit)),
        _ => Err(bad_value(SWAP, swap, "unable to set swap limit without memory limit")),
    }
}

fn refuse_less_than_memory(swap: i64, limit: Option<i64>) -> Result<(), Error> {
    match limit {
        Some(limit) if swap >= 0 && swap < limit => Err(bad_value(
            SWAP,
            swap,
            format!("memory+swap limit should be >= memory limit {limit}"),
        )),
        _ => Ok(()),
    }
}

/// With `checkBeforeUpdate`, refuses a limit below what is in use. v2's kernel would kill processes until it fits.
pub(crate) fn check_usage(
    directory: &Directory,
    version: Version,
    memory: &Memory,
) -> Result<(), Error> {
    let Some(limit) = memory.limit.filter(|limit| *limit > 0) else { return Ok(()) };
    if memory.check_before_update != Some(true) {
        return Ok(());
    }
    let usage = directory.read_number(usage_files(version).0)?;
    if i64::try_from(usage).is_ok_and(|usage| usage <= limit) {
        return Ok(());
    }
    Err(in_use(directory, version, limit)?)
}

/// The error for a limit below what is in use.
pub(crate) fn in_use(directory: &Directory, version: Version, limit: i64) -> Result<Error, Error> {
    let (usage, peak) = usage_files(version);
    let usage = directory.read_number(usage)?;
    // memory.peak came with Linux 5.19.
    let peak = directory.read_number(peak).unwrap_or(usage);
    Ok(Error::MemoryInUse { limit, usage, peak })
}

fn usage_files(version: Version) -> (&'static str, &'static str) {
    match version {
        Version::V1 => ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
        Version::V2 => ("memory.current", "memory.peak"),
    }
}

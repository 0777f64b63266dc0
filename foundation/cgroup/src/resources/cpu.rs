//! `cpu` and `cpuset`.

use gantry_oci::runtime::Cpu;

use super::bad_value;
use crate::error::Error;
use crate::hierarchy::Version;
use crate::setting::Setting;

/// The kernel's bounds of `cpu.shares`; it would cut others down without a word.
const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;

/// Which processors and memory nodes. An empty list is no setting.
pub(crate) fn cpuset(cpu: &Cpu) -> Vec<Setting> {
    let lists = [("cpu.cpus", "cpuset.cpus", &cpu.cpus), ("cpu.mems", "cpuset.mems", &cpu.mems)];
    lists
        .into_iter()
        .filter(|(_, _, list)| !list.is_empty())
        .map(|(name, file, list)| Setting::new(name, file, list))
        .collect()
}

/// Time and weight. Zero shares and a zero period are no settings, as in runc.
pub(crate) fn settings(cpu: &Cpu, version: Version) -> Result<Vec<Setting>, Error> {
    match version {
        Version::V1 => v1(cpu),
        Version::V2 => v2(cpu),
    }
}

fn v1(cpu: &Cpu) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    if let Some(shares) = cpu.shares.filter(|shares| *shares > 0) {
        if shares < MIN_SHARES {
            let reason = format!("the minimum allowed cpu-shares is {MIN_SHARES}");
            return Err(bad_value("cpu.shares", shares, reason));
        }
        if shares > MAX_SHARES {
            let reason = format!("the maximum allowed cpu-shares is {MAX_SHARES}");
            return Err(bad_value("cpu.shares", shares, reason));
        }
        settings.push(Setting::new("cpu.shares", "cpu.shares", shares));
    }
    if let Some(period) = cpu.realtime_period.filter(|period| *period > 0) {
        settings.push(Setting::new("cpu.realtimePeriod", "cpu.rt_period_us", period));
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|runtime| *runtime != 0) {
        settings.push(Setting::new("cpu.realtimeRuntime", "cpu.rt_runtime_us", runtime));
    }
    if let Some(period) = cpu.period.filter(|period| *period > 0) {
        settings.push(Setting::new("cpu.period", "cpu.cfs_period_us", period));
    }
    if let Some(quota) = cpu.quota.filter(|quota| *quota != 0) {
        let setting = Setting::new("cpu.quota", "cpu.cfs_quota_us", quota.max(-1));
        settings.push(setting.no_limit_if(quota < 0));
    }
    if let Some(burst) = cpu.burst {
        settings.push(Setting::new("cpu.burst", "cpu.cfs_burst_us", burst).no_limit_if(burst == 0));
    }
    if let Some(idle) = cpu.idle {
        settings.push(Setting::new("cpu.idle", "cpu.idle", idle).no_limit_if(idle == 0));
    }
    Ok(settings)
}

fn v2(cpu: &Cpu) -> Result<Vec<Setting>, Error> {
    for (name, is_asked) in [
        ("cpu.realtimePeriod", cpu.realtime_period.is_some_and(|period| period > 0)),
        ("cpu.realtimeRuntime", cpu.realtime_runtime.is_some_and(|runtime| runtime != 0)),
    ] {
        if is_asked {
            return Err(Error::NotInVersion { setting: name.to_owned(), version: "v2" });
        }
    }
    let mut settings = Vec::new();
    if let Some(idle) = cpu.idle {
        settings.push(Setting::new("cpu.idle", "cpu.idle", idle).no_limit_if(idle == 0));
    }
    // An idle group has no weight; the kernel refuses one.
    if let Some(shares) = cpu.shares.filter(|shares| *shares > 0)
        && cpu.idle != Some(1)
    {
        settings.push(Setting::new("cpu.shares", "cpu.weight", weight(shares)));
    }
    let quota = cpu.quota.filter(|quota| *quota != 0);
    let period = cpu.period.filter(|period| *period > 0);
    if quota.is_some() || period.is_some() {
        let name = if quota.is_some() { "cpu.quota" } else { "cpu.period" };
        let setting = Setting::cpu_max(name, quota, period);
        settings.push(setting.no_limit_if(quota.is_some_and(|quota| quota < 0)));
    }
    if let Some(burst) = cpu.burst {
        settings.push(Setting::new("cpu.burst", "cpu.max.burst", burst).no_limit_if(burst == 0));
    }
    Ok(settings)
}

/// v1's shares (2 to 262144, usually 1024) as v2's weight (1 to 10000, usually 100).
///
/// The curve through those three pairs that runc and crun use since 2025: a parabola in the logarithms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "shares are at most 2^18 here and the result lies between 1 and 10000"
)]
#[must_use]
pub fn weight(shares: u64) -> u64 {
    if shares <= MIN_SHARES {
        return 1;
    }
    if shares >= MAX_SHARES {
        return 10_000;
    }
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // 1024 shall give 100 whatever the last bit of the powers is.
    (10_f64.powf(exponent) - 1e-9).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        for (shares, expected) in [
            (1, 1),
            (2, 1),
            (3, 2),
            (1024, 100),
            (2048, 174),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(weight(shares), expected, "{shares} shares");
        }
        assert!((2..4096).all(|shares| weight(shares) <= weight(shares + 1)));
    }
}

//! What the container may use of the machine: memory, CPUs, processes, block devices.

use gantry_api::container::{CreateRequest, ThrottleDevice, Ulimit, WeightDevice};

use super::value;

#[derive(Debug, clap::Args)]
pub(crate) struct LimitFlags {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)
    #[arg(long)]
    blkio_weight: Option<u16>,
    /// Block IO weight (relative device weight)
    #[arg(long, value_parser = device_weight)]
    blkio_weight_device: Vec<WeightDevice>,
    /// CPU count (Windows only)
    #[arg(long, hide = true)]
    cpu_count: Option<i64>,
    /// CPU percent (Windows only)
    #[arg(long, hide = true)]
    cpu_percent: Option<i64>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long)]
    cpu_period: Option<i64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long)]
    cpu_quota: Option<i64>,
    /// Limit CPU real-time period in microseconds
    #[arg(long)]
    cpu_rt_period: Option<i64>,
    /// Limit CPU real-time runtime in microseconds
    #[arg(long)]
    cpu_rt_runtime: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long)]
    cpu_shares: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_parser = value::nano_cpus)]
    cpus: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    cpuset_mems: Option<String>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_parser = byte_rate)]
    device_read_bps: Vec<ThrottleDevice>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_parser = operation_rate)]
    device_read_iops: Vec<ThrottleDevice>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_parser = byte_rate)]
    device_write_bps: Vec<ThrottleDevice>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_parser = operation_rate)]
    device_write_iops: Vec<ThrottleDevice>,
    /// Maximum IO bandwidth limit for the system drive (Windows only)
    #[arg(long, value_parser = value::bytes, hide = true)]
    io_maxbandwidth: Option<i64>,
    /// Maximum IOps limit for the system drive (Windows only)
    #[arg(long, hide = true)]
    io_maxiops: Option<u64>,
    /// Kernel memory limit
    #[arg(long, value_parser = value::bytes, hide = true)]
    kernel_memory: Option<i64>,
    /// Memory limit
    #[arg(short, long, value_parser = value::bytes)]
    memory: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_parser = value::bytes)]
    memory_reservation: Option<i64>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long, value_parser = value::bytes_or_unlimited)]
    memory_swap: Option<i64>,
    /// Tune container memory swappiness (0 to 100) (default -1)
    #[arg(long)]
    memory_swappiness: Option<i64>,
    /// Disable OOM Killer
    #[arg(long)]
    oom_kill_disable: bool,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long)]
    oom_score_adj: Option<i64>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long)]
    pids_limit: Option<i64>,
    /// Ulimit options
    #[arg(long, value_parser = ulimit)]
    ulimit: Vec<Ulimit>,
}

impl LimitFlags {
    pub(super) fn apply(&self, request: &mut CreateRequest) {
        let host = &mut request.host_config;
        host.blkio_weight = self.blkio_weight.unwrap_or_default();
        host.blkio_weight_device.clone_from(&self.blkio_weight_device);
        host.blkio_device_read_bps.clone_from(&self.device_read_bps);
        host.blkio_device_read_iops.clone_from(&self.device_read_iops);
        host.blkio_device_write_bps.clone_from(&self.device_write_bps);
        host.blkio_device_write_iops.clone_from(&self.device_write_iops);
        host.cpu_count = self.cpu_count.unwrap_or_default();
        host.cpu_percent = self.cpu_percent.unwrap_or_default();
        host.io_maximum_bandwidth =
            self.io_maxbandwidth.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        host.io_maximum_iops = self.io_maxiops.unwrap_or_default();
        host.cpu_period = self.cpu_period.unwrap_or_default();
        host.cpu_quota = self.cpu_quota.unwrap_or_default();
        host.cpu_realtime_period = self.cpu_rt_period.unwrap_or_default();
        host.cpu_realtime_runtime = self.cpu_rt_runtime.unwrap_or_default();
        host.cpu_shares = self.cpu_shares.unwrap_or_default();
        host.nano_cpus = self.cpus.unwrap_or_default();
        host.cpuset_cpus = self.cpuset_cpus.clone().unwrap_or_default();
        host.cpuset_mems = self.cpuset_mems.clone().unwrap_or_default();
        host.kernel_memory = self.kernel_memory.unwrap_or_default();
        host.memory = self.memory.unwrap_or_default();
        host.memory_reservation = self.memory_reservation.unwrap_or_default();
        host.memory_swap = self.memory_swap.unwrap_or_default();
        // Docker's command line sends both always; −1 inherits.
        host.memory_swappiness = Some(self.memory_swappiness.unwrap_or(-1));
        host.oom_kill_disable = Some(self.oom_kill_disable);
        host.oom_score_adj = self.oom_score_adj.unwrap_or_default();
        host.pids_limit = Some(self.pids_limit.unwrap_or_default());
        host.ulimits.clone_from(&self.ulimit);
        host.ulimits.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

/// `name=soft[:hard]`.
fn ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, values) =
        text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    if !Ulimit::NAMES.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |value: &str| {
        match value {
        "unlimited" => Ok(-1),
        _ => value.parse().ok().filter(|number| *number >= -1_i64).ok_or_else(|| {
            format!("invalid ulimit value {value:?} for {name}: it takes a whole number, or -1 for unlimited")
        }),
    }
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard >= 0 && (soft > hard || soft < 0) {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        ));
    }
    Ok(Ulimit { name: name.to_owned(), hard, soft })
}

fn device(text: &str) -> Result<(String, &str), String> {
    match text.split_once(':') {
        Some((path, value)) if path.starts_with("/dev/") => Ok((path.to_owned(), value)),
        _ => Err(format!("bad format: {text}: it takes /dev/path:value")),
    }
}

fn device_weight(text: &str) -> Result<WeightDevice, String> {
    let (path, value) = device(text)?;
    let weight = value.parse().ok().filter(|weight| *weight == 0 || (10..=1000).contains(weight));
    let weight =
        weight.ok_or_else(|| format!("invalid weight for device: {text}: it takes 10 to 1000"))?;
    Ok(WeightDevice { path, weight })
}

fn byte_rate(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = device(text)?;
    let rate = value::bytes(value).ok().and_then(|rate| u64::try_from(rate).ok());
    let rate =
        rate.ok_or_else(|| format!("invalid rate for device: {text}: it takes bytes, as in 1mb"))?;
    Ok(ThrottleDevice { path, rate })
}

fn operation_rate(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = device(text)?;
    let rate =
        value.parse().map_err(|_| format!("invalid rate for device: {text}: it takes a number"))?;
    Ok(ThrottleDevice { path, rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits() {
        let limit = |name: &str, soft, hard| Ok(Ulimit { name: name.to_owned(), hard, soft });
        assert_eq!(ulimit("nofile=10:20"), limit("nofile", 10, 20));
        assert_eq!(ulimit("cpu=3"), limit("cpu", 3, 3));
        assert_eq!(ulimit("memlock=-1"), limit("memlock", -1, -1));
        assert_eq!(ulimit("core=0:unlimited"), limit("core", 0, -1));
        for (text, reason) in [
            ("x", "invalid ulimit argument: x"),
            ("x=1", "invalid ulimit type: x"),
            ("nofile=20:10", "must be less"),
            ("nofile=-1:10", "must be less"),
            ("nofile=a", "invalid ulimit value \"a\""),
        ] {
            assert!(ulimit(text).unwrap_err().contains(reason), "{text}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(byte_rate("/dev/sda:1m").map(|device| device.rate), Ok(1 << 20));
        assert_eq!(operation_rate("/dev/sda:7").map(|device| device.rate), Ok(7));
        assert_eq!(device_weight("/dev/sda:10").map(|device| device.weight), Ok(10));
        assert!(device_weight("/dev/sda:5").is_err() && byte_rate("sda:1").is_err());
    }
}

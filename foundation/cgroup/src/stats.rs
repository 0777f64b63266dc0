//! Numbers: what a container uses.

use std::collections::BTreeMap;

use crate::cgroup::{Cgroup, Member};
use crate::error::Error;
use crate::hierarchy::Version;

/// What a cgroup with all below it uses. A part is absent when its controller is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    pub cpu: Option<CpuStats>,
    pub memory: Option<MemoryStats>,
    pub pids: Option<PidsStats>,
    pub block_io: Option<BlockIoStats>,
}

/// Times in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuStats {
    pub total_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    /// For each processor; v1 only.
    pub per_cpu_ns: Vec<u64>,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_ns: u64,
}

/// Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStats {
    pub usage_bytes: u64,
    /// Absent where the kernel does not count it (v2 before Linux 5.19).
    pub peak_bytes: Option<u64>,
    /// `u64::MAX`, or a number near `i64::MAX` on v1, when there is no limit.
    pub limit_bytes: u64,
    /// How often the limit was hit; v1 only.
    pub failures: u64,
    /// `memory.stat` as the kernel words it.
    pub details: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PidsStats {
    pub current: u64,
    /// Absent when there is no limit.
    pub limit: Option<u64>,
}

/// Transferred since the cgroup was made, by device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockIoStats {
    pub devices: Vec<DeviceIo>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceIo {
    pub major: u32,
    pub minor: u32,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub reads: u64,
    pub writes: u64,
}

impl Cgroup {
    /// Reads all numbers.
    pub fn stats(&self) -> Result<Stats, Error> {
        let part = |v1, v2| self.member(v1, v2);
        Ok(Stats {
            cpu: self.cpu()?,
            memory: part("memory", "memory").map(memory).transpose()?,
            pids: part("pids", "pids").map(pids).transpose()?,
            block_io: part("blkio", "io").map(block_io).transpose()?,
        })
    }

    /// How many processes the kernel has killed here for want of memory; `None` without a memory controller.
    pub fn oom_kills(&self) -> Result<Option<u64>, Error> {
        let Some(member) = self.member("memory", "memory") else { return Ok(None) };
        let file = match member.hierarchy.version() {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        Ok(pairs(&member.directory.read(file)?).get("oom_kill").copied())
    }

    fn cpu(&self) -> Result<Option<CpuStats>, Error> {
        let time = self.member("cpuacct", "cpu");
        let throttling = self.member("cpu", "cpu");
        let (Some(time), Some(throttling)) = (time, throttling) else { return Ok(None) };
        let stat = pairs(&throttling.directory.read("cpu.stat")?);
        let get = |key: &str| stat.get(key).copied().unwrap_or_default();
        let mut stats = CpuStats {
            periods: get("nr_periods"),
            throttled_periods: get("nr_throttled"),
            ..CpuStats::default()
        };
        if time.hierarchy.version() == Version::V2 {
            stats.total_ns = get("usage_usec") * 1000;
            stats.user_ns = get("user_usec") * 1000;
            stats.system_ns = get("system_usec") * 1000;
            stats.throttled_ns = get("throttled_usec") * 1000;
        } else {
            let directory = &time.directory;
            stats.throttled_ns = get("throttled_time");
            stats.total_ns = directory.read_number("cpuacct.usage")?;
            stats.user_ns = directory.read_number("cpuacct.usage_user")?;
            stats.system_ns = directory.read_number("cpuacct.usage_sys")?;
            let per_cpu = directory.read("cpuacct.usage_percpu")?;
            stats.per_cpu_ns =
                per_cpu.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        }
        Ok(Some(stats))
    }
}

fn memory(member: &Member) -> Result<MemoryStats, Error> {
    let directory = &member.directory;
    let details = pairs(&directory.read("memory.stat")?);
    Ok(match member.hierarchy.version() {
        Version::V1 => MemoryStats {
            usage_bytes: directory.read_number("memory.usage_in_bytes")?,
            peak_bytes: Some(directory.read_number("memory.max_usage_in_bytes")?),
            limit_bytes: directory.read_number("memory.limit_in_bytes")?,
            failures: directory.read_number("memory.failcnt")?,
            details,
        },
        Version::V2 => MemoryStats {
            usage_bytes: directory.read_number("memory.current")?,
            peak_bytes: directory.read_number("memory.peak").ok(),
            limit_bytes: directory.read_number("memory.max")?,
            failures: 0,
            details,
        },
    })
}

fn pids(member: &Member) -> Result<PidsStats, Error> {
    let limit = member.directory.read_number("pids.max")?;
    Ok(PidsStats {
        current: member.directory.read_number("pids.current")?,
        limit: (limit != u64::MAX).then_some(limit),
    })
}

fn block_io(member: &Member) -> Result<BlockIoStats, Error> {
    let directory = &member.directory;
    let devices = match member.hierarchy.version() {
        Version::V2 => v2_devices(&directory.read("io.stat")?),
        Version::V1 => v1_devices(
            &directory.read("blkio.throttle.io_service_bytes_recursive")?,
            &directory.read("blkio.throttle.io_serviced_recursive")?,
        ),
    };
    Ok(BlockIoStats { devices })
}

/// Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn v2_devices(text: &str) -> Vec<DeviceIo> {
    let device = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = device_number(words.next()?)?;
        let mut io = DeviceIo { major, minor, ..DeviceIo::default() };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let value = value.parse().unwrap_or_default();
            match key {
                "rbytes" => io.read_bytes = value,
                "wbytes" => io.written_bytes = value,
                "rios" => io.reads = value,
                "wios" => io.writes = value,
                _ => {}
            }
        }
        Some(io)
    };
    text.lines().filter_map(device).collect()
}

/// Lines such as `8:0 Read 123`, one file for bytes and one for operations.
fn v1_devices(bytes: &str, operations: &str) -> Vec<DeviceIo> {
    let mut devices: BTreeMap<(u32, u32), DeviceIo> = BTreeMap::new();
    let mut add = |text: &str, put: fn(&mut DeviceIo, &str, u64)| {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some(number), Some(kind), Some(value)) =
                (words.next().and_then(device_number), words.next(), words.next())
            {
                let (major, minor) = number;
                let io = devices.entry(number).or_default();
                (io.major, io.minor) = (major, minor);
                put(io, kind, value.parse().unwrap_or_default());
            }
        }
    };
    add(bytes, |io, kind, value| match kind {
        "Read" => io.read_bytes = value,
        "Write" => io.written_bytes = value,
        _ => {}
    });
    add(operations, |io, kind, value| match kind {
        "Read" => io.reads = value,
        "Write" => io.writes = value,
        _ => {}
    });
    devices.into_values().collect()
}

fn device_number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines of a name and a number.
fn pairs(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_both_versions() {
        let expected = [DeviceIo {
            major: 8,
            minor: 16,
            read_bytes: 4096,
            written_bytes: 512,
            reads: 1,
            writes: 2,
        }];
        let v2 = "8:16 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=9 dios=9\nbroken\n";
        assert_eq!(v2_devices(v2), expected);
        let bytes = "8:16 Read 4096\n8:16 Write 512\n8:16 Total 4608\nTotal 4608\n";
        let operations = "8:16 Read 1\n8:16 Write 2\nTotal 3\n";
        assert_eq!(v1_devices(bytes, operations), expected);
    }
}

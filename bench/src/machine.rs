//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The machine in one line: processor, cores, memory, kernel, system.
pub(crate) fn describe() -> String {
    let cpu =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kib: u64 = memory.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    format!(
        "{cpu}, {cores} cores, {} GiB, Linux {}, {}",
        kib >> 20,
        first_line("uname", &["-r"]).unwrap_or_default(),
        system.unwrap_or("unknown system").trim_matches('"'),
    )
}

/// What the machine had to do beside: the load averages.
pub(crate) fn load() -> String {
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let loads: Vec<&str> = loads.split(' ').take(3).collect();
    format!("load {}", loads.join(" "))
}

/// What the engines' data lies on.
pub(crate) fn data() -> String {
    let folder = std::env::temp_dir();
    let asked = ["-nro", "FSTYPE,SOURCE", "-T", &folder.to_string_lossy()];
    let found = first_line("findmnt", &asked).unwrap_or_default();
    let (kind, source) = found.split_once(' ').unwrap_or((&found, ""));
    // ext4 has its journal's figures there.
    let device = source.rsplit('/').next().unwrap_or_default();
    let journal = Path::new("/proc/fs/jbd2").join(format!("{device}-8"));
    let journal = if journal.exists() { "with a journal" } else { "without a journal of ext4's" };
    format!("{kind} {journal}")
}

/// Today, in UTC.
pub(crate) fn date() -> String {
    first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default()
}

/// The first line that a program prints; none when it is not there or fails.
pub(crate) fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

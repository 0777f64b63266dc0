//! Processes of the machine by their programs' names, and the memory that they take.

use std::fs;
use std::path::Path;

pub(crate) const KIB_PER_MB: f64 = 1e6 / 1024.0;

/// The ids of the processes whose program goes by a name that begins so.
pub(crate) fn processes(name: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("list /proc").flatten();
    let pids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let first = String::from_utf8_lossy(line.split(|byte| *byte == 0).next().unwrap_or(&[]))
            .into_owned();
        let file = Path::new(&first).file_name().map(|file| file.to_string_lossy().into_owned());
        pid.bytes().all(|byte| byte.is_ascii_digit())
            && file.is_some_and(|file| file.starts_with(name))
    })
    .collect()
}

/// A field of `/proc/<pid>/smaps_rollup`.
pub(crate) fn kib(pid: &str, field: &str) -> f64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|text| text.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{path} has no {field}"))
}

/// The memory that these take together, each one's share of what they have in common with others, in MB.
pub(crate) fn pss_mb(pids: &[String]) -> f64 {
    pids.iter().map(|pid| kib(pid, "Pss:")).sum::<f64>() / KIB_PER_MB
}

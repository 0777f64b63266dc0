//! `events [--stats] [--interval 5s] ID`: what a container uses, one JSON document a line, and its kills for want of memory.

mod numbers;

use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

use gantry_cgroup::Cgroup;
use gantry_sys::pidfd;
use serde_json::{Value, json};

use super::print;
use crate::arguments::{Arguments, switch, value};
use crate::error::Error;
use crate::global::Global;
use crate::notify::process_of;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("events", &[switch("stats"), value("interval")], args)?;
    let interval = args.get("interval").map_or(Ok(DEFAULT_INTERVAL), interval)?;
    let id = args.only_id("events")?;
    let state_dir = global.state_dir(id)?;
    let Some(pid) = gantry_runtime::state(&state_dir)?.pid else {
        return Err(Error::usage(format!("container with id {id} is not running")));
    };
    let cgroup = gantry_runtime::cgroup(&state_dir)?;
    if args.is_set("stats") {
        return emit(&stats(id, &cgroup)?);
    }
    let process = process_of(pid)?;
    let mut kills = kills_for_memory(&cgroup);
    loop {
        let ended = pidfd::wait_ended(process.as_fd(), Some(interval))
            .map_err(|source| Error::System { what: "wait for the container's process", source })?;
        let now = kills_for_memory(&cgroup);
        if now > kills {
            emit(&json!({ "type": "oom", "id": id }))?;
        }
        kills = now;
        if ended {
            return Ok(0);
        }
        emit(&stats(id, &cgroup)?)?;
    }
}

fn stats(id: &str, cgroup: &Cgroup) -> Result<Value, Error> {
    let stats = cgroup.stats().map_err(gantry_runtime::Error::Cgroup)?;
    Ok(json!({ "type": "stats", "id": id, "data": numbers::document(&stats) }))
}

fn emit(event: &Value) -> Result<u8, Error> {
    print(&format!("{event}\n"))
}

/// How many processes the kernel has killed in this cgroup for want of memory: `oom_kill` of v2's `memory.events` or v1's
/// `memory.oom_control`.
fn kills_for_memory(cgroup: &Cgroup) -> u64 {
    let read = |name| {
        cgroup.directories().find_map(|directory| fs::read_to_string(directory.join(name)).ok())
    };
    let text = read("memory.events").or_else(|| read("memory.oom_control")).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// A time as Go's programs write it: `5s`, `100ms`, `1m30s`.
fn interval(text: &str) -> Result<Duration, Error> {
    const UNITS: [(&str, u64); 6] = [
        ("ms", 1_000_000),
        ("us", 1000),
        ("ns", 1),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let refused =
        || Error::usage(format!("--interval {text:?} is not a time above zero, such as 5s"));
    let mut rest = text;
    let mut nanos = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
        let (number, onward) = rest.split_at(digits);
        let (unit, scale) =
            UNITS.into_iter().find(|(unit, _)| onward.starts_with(unit)).ok_or_else(refused)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
        nanos = part.and_then(|part| nanos.checked_add(part)).ok_or_else(refused)?;
        rest = &onward[unit.len()..];
    }
    if nanos == 0 { Err(refused()) } else { Ok(Duration::from_nanos(nanos)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_gos() {
        for (text, millis) in [("5s", 5000), ("100ms", 100), ("1m30s", 90_000), ("1h", 3_600_000)] {
            assert_eq!(interval(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "0s", "5", "s", "-1s", "5x", "99999999999999999999s"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}

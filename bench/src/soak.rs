//! Many short containers in a row on one daemon: none may fail, and the daemon may not grow.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use gantry_testkit::{Daemon, Invocation};

use crate::machine;
use crate::samples::Samples;

/// What a daemon may grow by over a soak: allocators keep some pages, leaks keep on growing.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

pub(crate) fn run(runs: u32, record: Option<&Path>) -> ExitCode {
    let daemon = Daemon::with_busybox();
    let once = || daemon.gantry(&["run", "--rm", "--network", "none", "busybox", "true"]);
    // Warm caches and pools are no leak.
    for _ in 0..10 {
        once().run().success();
    }
    let before = daemon.snapshot();
    let (memory_before, begin) = (resident_kib(daemon.pid()), Instant::now());
    let (mut first, mut last) = (Samples::default(), Samples::default());
    let tenth = (runs / 10).max(1);
    for number in 0..runs {
        let took = timed(once());
        if number < tenth {
            first.add(took);
        }
        if number + tenth >= runs {
            last.add(took);
        }
    }
    let took = begin.elapsed();
    before.assert_restored(&daemon);
    let memory_after = resident_kib(daemon.pid());
    let grown = memory_after.saturating_sub(memory_before);
    assert!(grown <= GROWTH_MAX_KIB, "the daemon grew by {grown} KiB over {runs} containers");

    let mut report = String::new();
    writeln!(
        report,
        "{runs} x `gantry run --rm --network none busybox true`: all succeeded, nothing left behind, {:.0} s\n\
         daemon's resident memory: {memory_before} KiB before, {memory_after} KiB after\n\
         median of the first tenth {:.1} ms, of the last {:.1} ms",
        took.as_secs_f64(),
        first.median_ms(),
        last.median_ms(),
    )
    .expect("a String takes what is written");
    print!("{report}");
    if let Some(path) = record {
        let page = format!(
            "# Soak\n\nMany short containers in a row on one daemon. Made by `make soak SOAK_RUNS={runs}`.\n\n\
             - date: {}\n- machine: {}\n\n```\n{report}```\n",
            machine::date(),
            machine::describe(),
        );
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

fn timed(invocation: Invocation) -> std::time::Duration {
    let begin = Instant::now();
    invocation.run().success();
    begin.elapsed()
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|text| text.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("the daemon with process id {pid} is gone"))
}

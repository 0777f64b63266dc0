//! Two soaks of one daemon each, which may neither fail nor grow, nor leave anything: many short containers in a row, and many
//! operations of four clients at once, of every kind that containers' lives have (`soak/lives.rs`).

mod lives;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use gantry_testkit::{Daemon, Invocation, NetworkHost, Options, busybox, poll_for};

use crate::machine;
use crate::samples::Samples;

/// What a daemon may grow by over a soak: allocators keep some pages, leaks keep on growing.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

/// As many clients at once, and parts after each of which the memory is looked at.
const CLIENTS: u32 = 4;
const PARTS: u32 = 8;

/// What is asked for.
pub(crate) struct Request<'a> {
    pub runs: u32,
    pub operations: u32,
    pub record: Option<&'a Path>,
}

pub(crate) fn run(request: &Request<'_>) -> ExitCode {
    let mut report = short_containers(request.runs);
    report += &whole_lives(request.operations);
    print!("{report}");
    if let Some(path) = request.record {
        let page = format!(
            "# Soak\n\nMany containers on one daemon. Made by `make soak SOAK_RUNS={} SOAK_OPERATIONS={}`.\n\n\
             - date: {}\n- machine: {}\n\n```\n{report}```\n",
            request.runs,
            request.operations,
            machine::date(),
            machine::describe(),
        );
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

/// One that keeps layers' archives: it would put them away at some moment of the soak, which is no leftover of it.
fn daemon(network: Option<Arc<NetworkHost>>) -> Daemon {
    let flags = ["--layer-archives", "keep"].map(str::to_owned).to_vec();
    let daemon = Daemon::start_with(Options { flags, network, ..Options::default() });
    daemon.load(&busybox());
    daemon
}

fn short_containers(runs: u32) -> String {
    let daemon = daemon(None);
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
    format!(
        "{runs} x `gantry run --rm --network none busybox true`: all succeeded, nothing left behind, {:.0} s\n\
         daemon's resident memory: {memory_before} KiB before, {memory_after} KiB after\n\
         median of the first tenth {:.1} ms, of the last {:.1} ms\n",
        took.as_secs_f64(),
        first.median_ms(),
        last.median_ms(),
    )
}

fn whole_lives(operations: u32) -> String {
    let host = Arc::new(NetworkHost::new());
    let daemon = daemon(Some(Arc::clone(&host)));
    let begin = Instant::now();
    let look =
        || (host.prints("ip", &["-o", "link"]), host.prints("nft", &["-s", "list", "ruleset"]));
    // The first part warms the daemon up: what it keeps after that is compared with what it has at the end.
    let mut done = part(&daemon, operations / PARTS);
    // The kernel takes devices away behind their namespaces, and tells the bridge later still.
    let settled = poll_for(gantry_testkit::TIMEOUT, || {
        let seen = look();
        (!seen.0.contains("veth") && seen.0.contains("NO-CARRIER")).then_some(seen)
    });
    let (things, devices) = (daemon.snapshot(), settled.unwrap_or_else(look));
    let mut memory = vec![resident_kib(daemon.pid())];
    for _ in 1..PARTS {
        done += part(&daemon, operations / PARTS);
        things.assert_restored(&daemon);
        memory.push(resident_kib(daemon.pid()));
    }
    let took = begin.elapsed();
    let same = poll_for(gantry_testkit::TIMEOUT, || (look() == devices).then_some(()));
    assert!(same.is_some(), "devices or rules are left: {:?}, were {devices:?}", look());
    let grown = memory.last().unwrap_or(&0).saturating_sub(memory[0]);
    assert!(grown <= GROWTH_MAX_KIB, "the daemon grew by {grown} KiB: {memory:?}");
    let log = daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    let memory: Vec<String> = memory.iter().map(u64::to_string).collect();
    format!(
        "{done} operations of {CLIENTS} clients (networks, volumes, execs, copies, probes, restarts, failures): all answered as \
         they should be, no descriptor, mount, cgroup, process, device, rule or directory left behind, {:.0} s\n\
         daemon's resident memory after each {}th of them, in KiB: {}\n",
        took.as_secs_f64(),
        PARTS,
        memory.join(" "),
    )
}

/// So many operations, shared among the clients.
fn part(daemon: &Daemon, operations: u32) -> u32 {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|worker| {
                let mut lives = lives::Lives { daemon, worker, done: 0 };
                scope.spawn(move || lives.work(operations / CLIENTS))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a client failed")).sum()
    })
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

//! Fifty containers: started eight at a time, removed with one command, and what everything but their own processes
//! takes of the memory meanwhile.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::engines::{Engine, Engines};
use super::turns::Turns;
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::processes::{processes, pss_mb};

const CONTAINERS: usize = 50;
const AT_ONCE: usize = 8;
const MOST: f64 = 0.15;
/// For each container, in MB.
const MOST_MEMORY: f64 = 1.3;

/// The names of everything that engines start beside containers' own processes.
const COMPANIONS: [&str; 7] =
    ["gantryd", "gantry-shim", "gantry-init", "dockerd", "containerd", "conmon", "docker-proxy"];

pub(super) fn figures(engines: &Engines, rounds: u32) -> Vec<Figures> {
    let memory: RefCell<Vec<(String, Vec<f64>)>> = RefCell::default();
    let turns = Turns {
        title: "50 × `run -d --network none busybox sleep`, 8 at a time, and `rm -f` of them",
        columns: &["run -d", "rm -f"],
        most: MOST,
        turn: &|engine, round| {
            let names: Vec<String> = (0..CONTAINERS).map(|at| format!("crowd-{at}")).collect();
            let before = companions();
            let started = start(engine, &names);
            engine.settle();
            if round == 1 {
                let mb = memory_mb(engine, &before);
                memory.borrow_mut().push((engine.name().to_owned(), vec![mb]));
            }
            let words: Vec<&str> = names.iter().map(String::as_str).collect();
            // Podman would give each ten seconds.
            let at_once: &[&str] = if engine.name() == "podman" { &["-t", "0"] } else { &[] };
            let removed = engine.timed(&[&["rm", "-f"], at_once, &words[..]].concat());
            engine.settle();
            vec![started, removed]
        },
    };
    let times = turns.figures(&engines.all(), rounds);
    let mut rows = memory.into_inner();
    rows.sort_by_key(|(name, _)| name != "gantry");
    let ours = rows.first().map_or(f64::NAN, |(_, memory)| memory[0]);
    let memory = Figures {
        title:
            "memory of everything but the containers' own processes, with 50: PSS per container, MB"
                .to_owned(),
        columns: vec!["PSS"],
        rows,
        limits: vec![Limit::new(format!("gantry ≤ {MOST_MEMORY} MB"), ours, MOST_MEMORY)],
    };
    vec![times, memory]
}

fn start(engine: Engine<'_>, names: &[String]) -> Duration {
    let begin = Instant::now();
    starts(names, AT_ONCE, |name| {
        let run = ["run", "-d", "--network", "none", "--name", name];
        engine.command(&[&run[..], &["busybox", "sleep", "86400"]].concat())
    });
    begin.elapsed()
}

/// Runs a command for each of the names, so many at a time.
pub(super) fn starts(
    names: &[String],
    at_once: usize,
    command: impl Fn(&str) -> std::process::Command + Sync,
) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    time(&mut command(name));
                }
            });
        }
    });
}

fn companions() -> Vec<String> {
    COMPANIONS.iter().flat_map(|name| processes(name)).collect()
}

/// The daemons', and that of whatever came beside the containers.
fn memory_mb(engine: Engine<'_>, before: &[String]) -> f64 {
    let mut pids: Vec<String> =
        companions().into_iter().filter(|pid| !before.contains(pid)).collect();
    pids.extend(engine.daemons());
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let count = CONTAINERS as f64;
    pss_mb(&pids) / count
}

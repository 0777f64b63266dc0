//! `kill -9` of the daemon at random moments while eight clients use it: containers that count, that start again by their policies,
//! that are probed, that end by themselves and remove themselves; execs, followed logs, copies, volumes, networks, images. The next
//! daemon must find each container with the state, exit code, restart count and health that its client knows of, with every line of
//! its log once, and tell of what happened to it in an order that can be; what was under way is done or not, and can be done again;
//! and the machine has what the daemon tells of, and nothing else.
//!
//! ```text
//! engine/stage.rs      the daemon, and the machine seen from the outside    engine/api.rs     requests that may be cut off
//! engine/client.rs     what one client does, and knows afterwards           engine/lines.rs   what logs must say
//! engine/container.rs  one container: what it must be like                  engine/events.rs  what is told, and whether it can be
//! ```

mod api;
mod client;
mod container;
mod events;
mod lines;
mod stage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use gantry_testkit::require_root;

use crate::dice::Dice;
use crate::record::{Counts, record_as};
use client::Client;
use container::{Kind, State};
use events::{Ear, Story};
use stage::Stage;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub count: u32,
    pub clients: u32,
    pub seed: u64,
    pub record: Option<PathBuf>,
}

/// The longest life of a daemon under load.
const LIFE_MS: u32 = 1500;

/// What the daemon may have more of memory at the end than at the end of its first life.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

pub(crate) fn run(request: &Request) -> ExitCode {
    require_root();
    println!(
        "{} kills of a daemon with {} clients, seed {}",
        request.count, request.clients, request.seed
    );
    let begin = Instant::now();
    let stage = Stage::build();
    let mut clients: Vec<Client> = (0..request.clients).map(Client::new).collect();
    if let Err(wrong) = all(&stage, &mut clients, request) {
        eprintln!("seed {}: {wrong}", request.seed);
        let log = stage.daemon.log();
        let tail = log.lines().rev().take(40).collect::<Vec<_>>();
        eprintln!(
            "the daemon's last words:\n{}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
        return ExitCode::FAILURE;
    }
    let mut counts = Counts::new();
    for (what, count) in clients.iter().flat_map(|client| &client.counts) {
        *counts.entry(what.clone()).or_default() += count;
    }
    let title = format!(
        "{} kills of the daemon under {} clients, seed {}",
        request.count, request.clients, request.seed
    );
    let promise = "every container's state, log, exit code, restarts, health and events are right, nothing left behind";
    record_as(&title, promise, &counts, begin.elapsed(), request.record.as_deref());
    ExitCode::SUCCESS
}

fn all(stage: &Stage, clients: &mut Vec<Client>, request: &Request) -> Result<(), String> {
    let before = (stage.daemon.snapshot(), stage.devices(), stage.rules());
    let mut memory = Vec::new();
    let mut ear = Ear::open(&stage.api);
    for cycle in 0..request.count {
        let mut dice = Dice::of_cycle(request.seed, cycle);
        let at = |wrong| format!("kill {cycle}: {wrong}");
        live(stage, clients, (request.seed, cycle), dice.below(LIFE_MS)).map_err(at)?;
        ear.close().map_err(at)?;
        stage.start_again();
        ear = Ear::open(&stage.api);
        verify(stage, clients).map_err(at)?;
        ear.catch_up(&stage.api, &format!("mark-{cycle}"))
            .map_err(|trouble| at(format!("{trouble:?}")))?;
        compare(clients, &ear.stories().map_err(at)?).map_err(at)?;
        stage.examine().map_err(at)?;
        memory.push(resident_kib(stage.daemon.pid()));
    }
    for client in clients {
        client.leave(&stage.api)?;
    }
    // A commit that is done twice leaves the first one's image without a name.
    let pruned = stage.api.post("/images/prune", &[200]);
    pruned.map_err(|trouble| format!("{trouble:?}"))?;
    stage.examine()?;
    before.0.assert_same_things_as(&stage.daemon);
    if (stage.devices(), stage.rules()) != (before.1, before.2) {
        return Err(format!("devices or rules are left: {:?}", stage.devices()));
    }
    let (first, most) =
        (memory.first().copied().unwrap_or(0), memory.iter().copied().max().unwrap_or(0));
    if most > first + GROWTH_MAX_KIB {
        return Err(format!(
            "a daemon that found everything again took {first} KiB at first and {most} KiB later"
        ));
    }
    Ok(())
}

/// One life of the daemon, to its violent end.
fn live(
    stage: &Stage,
    clients: &mut [Client],
    (seed, cycle): (u64, u32),
    life_ms: u32,
) -> Result<(), String> {
    thread::scope(|scope| {
        let workers: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let mut dice = Dice::of_cycle(seed ^ u64::from(client.number + 1) << 32, cycle);
                scope.spawn(move || client.work(&stage.api, &mut dice))
            })
            .collect();
        // Not a wait for a state: the moment is what varies.
        thread::sleep(Duration::from_millis(u64::from(life_ms)));
        stage.kill();
        workers.into_iter().try_for_each(|worker| joined(worker.join()))
    })
}

fn verify(stage: &Stage, clients: &mut [Client]) -> Result<(), String> {
    thread::scope(|scope| {
        let workers: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(move || client.verify(&stage.api)))
            .collect();
        workers.into_iter().try_for_each(|worker| joined(worker.join()))
    })
}

fn joined(result: thread::Result<Result<(), String>>) -> Result<(), String> {
    result.unwrap_or_else(|_| Err("a client failed".to_owned()))
}

/// What this daemon told of each container ends as the container is, and names the code that it ended with.
fn compare(clients: &[Client], stories: &BTreeMap<String, Story>) -> Result<(), String> {
    for container in clients.iter().flat_map(|client| client.containers.iter().chain(&client.brief))
    {
        let Some(story) = stories.get(&container.id) else { continue };
        let runs =
            matches!(container.state, State::Running | State::Paused) && !container.is_free();
        if container.state != State::Absent && story.runs().is_some_and(|told| told != runs) {
            return Err(format!("{container:?} is told of otherwise: {story:?}"));
        }
        let good = |code: &i64| match container.kind {
            Kind::Finite { code: own, .. } => *code == own,
            Kind::Failing { .. } => *code == 3,
            Kind::Brief => *code == 0,
            _ => [7, 137].contains(code),
        };
        // What is removed by force is killed.
        if !story.codes.iter().all(|code| good(code) || *code == 137) {
            return Err(format!("{container:?} ended otherwise: {story:?}"));
        }
    }
    Ok(())
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

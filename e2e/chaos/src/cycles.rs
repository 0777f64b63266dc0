//! Many lives, some at a time: half through gantry-runc's command line, half through shims. Each worker is a process of its own, so
//! that its containers' orphans come to it alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use gantry_shims::Shims;
use gantry_testkit::{Binaries, require_root};
use serde_json::json;

use crate::by_command_line::{self, Runtime};
use crate::by_shim::{self, ShimProgram};
use crate::dice::Dice;
use crate::family;
use crate::record::{Counts, record};
use crate::stage::Stage;
use crate::strike::Commands;
use crate::trace;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub count: u32,
    pub jobs: u32,
    pub seed: u64,
    /// This cycle alone.
    pub only: Option<u32>,
    pub record: Option<PathBuf>,
}

/// A worker's part: every `jobs`-th cycle from its index on.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub folder: PathBuf,
    pub index: u32,
    pub request: Request,
}

pub(crate) fn run(request: &Request) -> ExitCode {
    require_root();
    let place = trace::Place::make();
    Stage::build(place.folder());
    let begin = Instant::now();
    let workers: Vec<Child> =
        (0..request.jobs).map(|index| spawn(place.folder(), index, request)).collect();
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for worker in workers {
        gather(worker, &mut counts, &mut failures);
    }
    let took = begin.elapsed();
    failures.extend(place.leftovers());
    drop(place);
    // The workers have told of theirs.
    failures
        .iter()
        .filter(|failure| !failure.starts_with("cycle "))
        .for_each(|failure| eprintln!("{failure}"));
    if !failures.is_empty() {
        eprintln!(
            "seed {}: repeat one with `gantry-chaos cycles --seed {} --only CYCLE`",
            request.seed, request.seed
        );
        return ExitCode::FAILURE;
    }
    let title =
        format!("{} cycles, {} at a time, seed {}", request.count, request.jobs, request.seed);
    record(&title, &counts, took, request.record.as_deref());
    ExitCode::SUCCESS
}

fn spawn(folder: &Path, index: u32, request: &Request) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("find our own program"));
    command.arg("worker").arg(folder);
    for number in [u64::from(index), request.jobs.into(), request.count.into(), request.seed] {
        command.arg(number.to_string());
    }
    command.args(request.only.map(|cycle| cycle.to_string()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("start a worker")
}

/// A worker's lines: counts, and failures.
pub(crate) fn gather(mut worker: Child, counts: &mut Counts, failures: &mut Vec<String>) {
    let lines = BufReader::new(worker.stdout.take().expect("its output is a pipe")).lines();
    let mut finished = false;
    for line in lines.map_while(Result::ok) {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(failure) = value["failure"].as_str() {
            failures.push(failure.to_owned());
        }
        if let Some(numbers) = value["counts"].as_object() {
            finished = true;
            for (name, number) in numbers {
                *counts.entry(name.clone()).or_default() += number.as_u64().unwrap_or(0);
            }
        }
    }
    let status = worker.wait().expect("wait for a worker");
    if !finished || !status.success() {
        failures.push(format!("a worker ended early, with {status}"));
    }
}

/// A worker's life. Prints a line for each failure, and its counts at the end.
pub(crate) fn work(part: &Part) -> ExitCode {
    family::adopt_orphans();
    let stage = Stage::at(&part.folder);
    let binaries = Binaries::find();
    let runtime = Runtime { program: binaries.path("gantry-runc"), state_root: stage.state_root() };
    let shim = ShimProgram {
        program: binaries.path("gantry-shim"),
        shims: Shims::new().expect("start the thread that reads from shims"),
    };
    let mut commands = Commands::new(part.folder.join(format!("words-{}", part.index)));
    // They know different paces: a step through the shim takes another time than a command.
    let mut calls = Commands::new(part.folder.join(format!("words-shim-{}", part.index)));
    let mut counts = BTreeMap::from([("through the command line", 0_u64), ("through a shim", 0)]);
    for cycle in part.cycles() {
        let mut dice = Dice::of_cycle(part.request.seed, cycle);
        let id = trace::container_id(&part.folder, cycle);
        let (kind, lived) = if dice.once_in(2) {
            (
                "through the command line",
                by_command_line::live(&runtime, &stage, &mut commands, &mut dice, &id),
            )
        } else {
            ("through a shim", by_shim::live(&shim, &stage, &mut calls, &mut dice, &id))
        };
        *counts.entry(kind).or_default() += 1;
        if let Err(error) = lived {
            let failure = format!("cycle {cycle}, {kind}: {error}");
            println!("{}", json!({"failure": failure}));
            eprintln!("{failure}");
        }
    }
    let killed = commands
        .killed
        .iter()
        .chain(&calls.killed)
        .map(|(name, count)| (format!("killed in {name}"), *count));
    let all: BTreeMap<String, u64> =
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).chain(killed).collect();
    println!("{}", json!({"counts": all}));
    ExitCode::SUCCESS
}

impl Part {
    fn cycles(&self) -> Box<dyn Iterator<Item = u32>> {
        match self.request.only {
            Some(only) => Box::new(std::iter::once(only).filter({
                let mine = self.index == 0;
                move |_| mine
            })),
            None => Box::new(
                (self.index..self.request.count).step_by(self.request.jobs.max(1) as usize),
            ),
        }
    }
}

//! A kill at the first system call of a command, at the second, and so on to its last, by strace's fault injection: no moment is
//! missed, and each is repeated exactly. Then whoever comes next has to find order, and `delete --force` to leave nothing.

mod attempt;
mod calls;
mod shim;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use gantry_shims::Shims;
use gantry_testkit::{Binaries, require_root};
use serde_json::json;

use crate::by_command_line::Runtime;
use crate::by_shim::ShimProgram;
use crate::cycles::gather;
use crate::family;
use crate::record::{Counts, record};
use crate::stage::Stage;
use crate::strike::Commands;
use crate::trace;
use calls::Call;

/// Two at a time: strace and what it traces take turns.
const WORKERS: u32 = 2;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Every so many system calls.
    pub every: u32,
    /// The first of them.
    pub from: u32,
    /// These cases alone, by words in their names.
    pub case: String,
    pub record: Option<PathBuf>,
}

/// A worker's part.
#[derive(Debug)]
pub(crate) struct Part {
    pub folder: PathBuf,
    pub first: u32,
    pub step: u32,
    pub case: String,
}

/// Which command is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Create,
    /// With a user namespace.
    CreateMapped,
    Start,
    Exec,
    Pause,
    Delete,
    DeleteForce,
    Run,
    /// The process that `run` makes, at what only such a process calls.
    Newborn,
    /// The shim's server, in the course of a whole life.
    Shim,
}

impl Case {
    const ALL: [Self; 10] = [
        Self::Create,
        Self::CreateMapped,
        Self::Start,
        Self::Exec,
        Self::Pause,
        Self::Delete,
        Self::DeleteForce,
        Self::Run,
        Self::Newborn,
        Self::Shim,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateMapped => "create with mapped ids",
            Self::Start => "start",
            Self::Exec => "exec",
            Self::Pause => "pause",
            Self::Delete => "delete",
            Self::DeleteForce => "delete --force",
            Self::Run => "run",
            Self::Newborn => "the new process of run",
            Self::Shim => "the shim",
        }
    }
}

pub(crate) fn run(request: &Request) -> ExitCode {
    require_root();
    assert!(
        Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok(),
        "the sweep needs Debian's package strace"
    );
    let place = trace::Place::make();
    Stage::build(place.folder());
    let begin = Instant::now();
    let workers: Vec<Child> = (0..WORKERS)
        .map(|index| {
            let mut command = Command::new(std::env::current_exe().expect("find our own program"));
            let first = request.from + index * request.every;
            let step = request.every * WORKERS;
            command.arg("sweeper").arg(place.folder()).args([first.to_string(), step.to_string()]);
            command.arg(&request.case);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("start a worker")
        })
        .collect();
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
        .filter(|failure| !failure.contains("at system call"))
        .for_each(|failure| eprintln!("{failure}"));
    if !failures.is_empty() {
        eprintln!("repeat one with `gantry-chaos sweep --from NUMBER --every 100000`");
        return ExitCode::FAILURE;
    }
    let kills: u64 = counts.values().sum();
    let title = match request.every {
        1 => format!("{kills} kills: one at each system call"),
        every => format!("{kills} kills: one at every {every}th system call"),
    };
    record(&title, &counts, took, request.record.as_deref());
    ExitCode::SUCCESS
}

/// A worker's life. Prints a line for each failure, and its counts at the end.
pub(crate) fn work(part: &Part) -> ExitCode {
    family::adopt_orphans();
    let stage = Stage::at(&part.folder);
    let binaries = Binaries::find();
    let mut sweeper = Sweeper {
        runtime: Runtime { program: binaries.path("gantry-runc"), state_root: stage.state_root() },
        shim: ShimProgram {
            program: binaries.path("gantry-shim"),
            shims: Shims::new().expect("start the thread that reads from shims"),
        },
        commands: Commands::new(part.folder.join(format!("words-{}", part.first))),
        stage,
        folder: part.folder.clone(),
        calls: Vec::new(),
    };
    let mut counts = BTreeMap::new();
    for case in Case::ALL.into_iter().filter(|case| case.name().contains(&part.case)) {
        let mut kills = 0_u64;
        if let Err(error) = sweeper.take_down(case) {
            let failure = format!("{}, watched at system call 0: {error}", case.name());
            println!("{}", json!({"failure": failure}));
            eprintln!("{failure}");
        }
        for number in (part.first..=sweeper.last_call()).step_by(part.step as usize) {
            match sweeper.attempt(case, number) {
                Ok(true) => kills += 1,
                Ok(false) => {}
                Err(error) => {
                    let failure =
                        format!("{}, killed at system call {number}: {error}", case.name());
                    println!("{}", json!({"failure": failure}));
                    // One that hangs on may take long; what has failed already is worth seeing.
                    eprintln!("{failure}");
                }
            }
        }
        counts.insert(case.name(), kills);
    }
    println!("{}", json!({"counts": counts}));
    ExitCode::SUCCESS
}

/// What attempts are made with.
pub(crate) struct Sweeper {
    runtime: Runtime,
    shim: ShimProgram,
    commands: Commands,
    stage: Stage,
    folder: PathBuf,
    /// What the command at hand calls, in order, when nobody kills it.
    calls: Vec<Call>,
}

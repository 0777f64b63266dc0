//! One container at a time: a run, an exec, and a life in single steps.

use super::engines::{Engine, Engines};
use super::turns::Turns;
use crate::clock::time;
use crate::compare::figures::Figures;

const MOST: f64 = 0.12;

/// The container in which programs are executed.
const RUNNING: &str = "bench-running";

const SLEEP: [&str; 3] = ["busybox", "sleep", "86400"];

pub(super) fn figures(engines: &Engines, rounds: u32) -> Vec<Figures> {
    let engines = engines.all();
    for engine in &engines {
        let run = ["run", "-d", "--network", "none", "--name", RUNNING];
        time(&mut engine.command(&[&run[..], &SLEEP].concat()));
    }
    let runs = Turns {
        title: "`run --rm busybox true`, and `exec` of `true` in a container that runs",
        columns: &["run, network none", "run, bridge", "exec"],
        most: MOST,
        turn: &|engine, _| {
            let runs = [&["--network", "none"][..], &[]].map(|flags| {
                engine.timed(&[&["run", "--rm"], flags, &["busybox", "true"]].concat())
            });
            let exec = engine.timed(&["exec", RUNNING, "true"]);
            vec![runs[0], runs[1], exec]
        },
    };
    let lives = Turns {
        title: "one container without a network: `create`, `start`, `kill` and `wait`, `rm -f`",
        columns: &["create", "start", "kill and wait", "rm -f"],
        most: MOST,
        turn: &life,
    };
    let figures = vec![runs.figures(&engines, rounds), lives.figures(&engines, rounds)];
    for engine in &engines {
        engine.timed(&["rm", "-f", RUNNING]);
    }
    figures
}

fn life(engine: Engine<'_>, round: u32) -> Vec<std::time::Duration> {
    let name = format!("bench-{round}");
    let create = ["create", "--network", "none", "--name", &name];
    let create = engine.timed(&[&create[..], &SLEEP].concat());
    let start = engine.timed(&["start", &name]);
    let kill = time(&mut engine.command(&["kill", &name]));
    let kill = kill + engine.timed(&["wait", &name]);
    let remove = engine.timed(&["rm", "-f", &name]);
    vec![create, start, kill, remove]
}

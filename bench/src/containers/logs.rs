//! The log of one container that writes as fast as it can: how long that takes it, because nothing of it may be lost.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gantry_types::Timestamp;
use serde_json::Value;

use super::engines::{Engine, Engines};
use super::turns::Turns;
use crate::clock::time;
use crate::compare::figures::Figures;

/// Each line's length with its newline.
const LINE_BYTES: usize = 100;
const LINES: usize = 1_300_000;
/// A third of the faster peer's time is three times its throughput.
const MOST: f64 = 0.333;

/// Medians in ms.
pub(super) fn figures(engines: &Engines, folder: &Path, rounds: u32) -> Figures {
    let lines = folder.join("lines");
    write_lines(&lines);
    let mount = format!("{}:/lines:ro", lines.display());
    let turns = Turns {
        title: "130 MB of 100-byte lines from one container into a log that keeps them all, from its start to its end",
        columns: &["default driver", "json-file"],
        most: MOST,
        turn: &|engine, round| {
            // Podman's form of files is its only one.
            let drivers: [&[&str]; 2] = match engine {
                Engine::Gantry(_) => [
                    &["--log-opt", "max-size=2g"],
                    &["--log-driver", "json-file", "--log-opt", "max-size=2g"],
                ],
                Engine::Podman(_) => [&["--log-driver", "k8s-file"]; 2],
                Engine::Docker(_) => [&[], &["--log-driver", "json-file"]],
            };
            drivers.map(|driver| life(engine, driver, &mount, round == 0)).to_vec()
        },
    };
    let figures = turns.figures(&engines.all(), rounds);
    fs::remove_file(&lines).expect("remove the lines");
    figures
}

fn write_lines(path: &Path) {
    let file = fs::File::create(path).expect("make a file of lines");
    let mut file = std::io::BufWriter::new(file);
    for number in 0..LINES {
        let filler = LINE_BYTES - 9;
        writeln!(file, "{number:07} {:x<filler$}", "").expect("write a line");
    }
}

/// How long the container took, by the engine's own account.
fn life(engine: Engine<'_>, driver: &[&str], mount: &str, is_checked: bool) -> Duration {
    const NAME: &str = "bench-logs";
    let run = ["run", "-d", "--network", "none", "--name", NAME, "-v", mount];
    let words = [&run[..], driver, &["busybox", "cat", "/lines"]].concat();
    time(&mut engine.command(&words));
    time(&mut engine.command(&["wait", NAME]));
    let inspected = engine.command(&["inspect", NAME]).output().expect("inspect a container");
    let document: Value = serde_json::from_slice(&inspected.stdout).expect("read an inspection");
    let moment = |key: &str| -> Timestamp {
        let text = document[0]["State"][key].as_str().unwrap_or_default();
        text.parse().unwrap_or_else(|error| panic!("{key} of {}: {error}", engine.name()))
    };
    let took = moment("FinishedAt").since(moment("StartedAt"));
    if is_checked {
        let mut logs = engine.command(&["logs", NAME]);
        let mut logs = logs.stdout(Stdio::piped()).spawn().expect("read a log");
        let stdout = logs.stdout.take().expect("it is a pipe");
        let lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
        let count = lines.map(|line| line.expect("read a line of a log")).enumerate();
        let count = count.filter(|(number, line)| line.starts_with(&format!("{number:07} ")));
        assert_eq!(count.count(), LINES, "{} lost lines", engine.name());
        assert!(logs.wait().is_ok_and(|status| status.success()), "a log cannot be read");
    }
    engine.timed(&["rm", "-f", NAME]);
    took
}

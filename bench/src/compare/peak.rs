//! The most memory that a runtime has at any time of a `run`, itself and what it waits for.

use std::path::Path;
use std::process::Command;

use gantry_testkit::checkout;

use super::figures::{Figures, Limit};
use super::runtimes::{Bench, Config};
use super::time;

/// Runs of each; the largest counts.
const RUNS: u32 = 10;
const KIB_PER_MB: f64 = 1e6 / 1024.0;
const LIMIT_MB: f64 = 2.5;

pub(super) fn figures(bench: &Bench, configs: &[&Config]) -> Figures {
    let probe = bench.folder().join("peak");
    let source = checkout().join("bench/peak.c");
    time(Command::new("cc").args(["-O2", "-Wall", "-static", "-o"]).arg(&probe).arg(source));
    let mut rows = Vec::new();
    for (name, program) in bench.programs() {
        let measure = |config: &&Config| {
            let label = format!("peak-{name}");
            let bundle = bench.bundle(config, &label, &["true"]);
            let peaks = (0..RUNS).map(|number| {
                let mut command = Command::new(&probe);
                command.arg(&program).arg("--root").arg(bench.state(&label)).arg("run");
                command.arg("--bundle").arg(&bundle).arg(format!("bench-{label}-{number}"));
                peak_mb(&mut command, &program)
            });
            peaks.fold(0.0, f64::max)
        };
        rows.push((format!("{name} run"), configs.iter().map(measure).collect()));
    }
    let ours = rows.first().map_or(f64::NAN, |(_, peaks): &(String, Vec<f64>)| {
        peaks.iter().copied().fold(f64::NAN, f64::max)
    });
    Figures {
        title: format!("runtimes: peak resident memory of `run`, MB, largest of {RUNS}"),
        columns: vec!["`runc spec`", "Docker"],
        rows,
        limits: vec![Limit::new(format!("gantry-runc ≤ {LIMIT_MB} MB"), ours, LIMIT_MB)],
    }
}

fn peak_mb(command: &mut Command, program: &Path) -> f64 {
    let output = command.output().expect("start the probe");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} ended with {}: {words}", program.display(), output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let kib: f64 = text.trim().parse().expect("the probe prints a number");
    kib / KIB_PER_MB
}

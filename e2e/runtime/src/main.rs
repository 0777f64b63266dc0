//! The conformance suite: does a runtime do what the runtime specification says, seen from inside its containers?
//!
//! ```text
//! gantry-conformance run --runtime PATH [--runtime PATH]... [--filter TEXT] [--jobs N] [--verbose] [--json FILE]
//! gantry-conformance report JSON... [--record FILE]
//! gantry-conformance list
//! ```
//!
//! The same program is the probe that cases run in containers: called as `probe`, it reports what it sees.

mod arguments;
mod case;
mod machine;
mod place;
mod probe;
mod report;
mod runner;
mod runtime;
mod sections;
mod stage;
mod verdict;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use arguments::{Arguments, RunArguments};
use runner::Options;
use runtime::Runtime;
use verdict::{Results, Verdict};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let name = words.first().map(|word| word.rsplit('/').next().unwrap_or_default());
    if name == Some("probe") {
        probe::report();
        return ExitCode::SUCCESS;
    }
    let outcome =
        Arguments::parse(words.get(1..).unwrap_or_default()).and_then(
            |arguments| match arguments {
                Arguments::Run(arguments) => run(&arguments),
                Arguments::Report { files, record } => report(&files, record.as_deref()),
                Arguments::List => {
                    list();
                    Ok(ExitCode::SUCCESS)
                }
            },
        );
    outcome.unwrap_or_else(|complaint| {
        eprintln!("gantry-conformance: {complaint}");
        ExitCode::from(2)
    })
}

/// Runs every runtime in a process and a mount namespace of its own, or one runtime here when we are there already.
fn run(arguments: &RunArguments) -> Result<ExitCode, String> {
    gantry_testkit::require_root();
    let mut all = Vec::new();
    for path in &arguments.runtimes {
        let runtime = Runtime::ask(path)?;
        if arguments.inside {
            let options = Options {
                filter: arguments.filter.clone(),
                jobs: arguments.jobs,
                verbose: arguments.verbose,
            };
            all.push(runner::run(runtime, &sections::all(), &options));
        } else {
            all.push(place::run_in_private_namespace(&runtime, arguments)?);
        }
    }
    if let Some(path) = &arguments.json {
        let values: Vec<Value> = all.iter().map(Results::to_json).collect();
        let text = Value::from(values).to_string();
        fs::write(path, text).map_err(|error| format!("write {}: {error}", path.display()))?;
    }
    if !arguments.inside {
        summarize(&all);
    }
    let failed = all.iter().any(|results| results.count(|v| matches!(v, Verdict::Fail(_))) > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summarize(all: &[Results]) {
    for results in all {
        let passed = results.count(|verdict| *verdict == Verdict::Pass);
        let failed = results.count(|verdict| matches!(verdict, Verdict::Fail(_)));
        let skipped = results.count(|verdict| matches!(verdict, Verdict::Skip(_)));
        println!(
            "{} {} on {}: {passed} passed, {failed} failed, {skipped} skipped",
            results.runtime, results.version, results.machine
        );
    }
}

fn report(files: &[std::path::PathBuf], record: Option<&Path>) -> Result<ExitCode, String> {
    let mut all = Vec::new();
    for path in files {
        let read = |error: &dyn std::fmt::Display| format!("read {}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| read(&error))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| read(&error))?;
        all.extend(value.as_array().into_iter().flatten().filter_map(Results::from_json));
    }
    let page = report::page(&sections::all(), &all);
    match record {
        Some(path) => {
            fs::write(path, page).map_err(|error| format!("write {}: {error}", path.display()))?;
        }
        None => print!("{page}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    let mut count = 0;
    for section in sections::all() {
        for case in &section.cases {
            println!("{}: {}", section.name_of(case), case.rule);
            count += 1;
        }
    }
    println!("{count} cases");
}

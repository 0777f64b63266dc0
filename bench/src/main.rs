//! Measurements: Gantry beside its peers (`compare`), and many containers in a row (`soak`).

mod clock;
mod compare;
mod machine;
mod samples;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: gantry-bench compare [--rounds N] [--record FILE]
       gantry-bench soak [--runs N] [--record FILE]

Run it through `make bench` and `make soak`, which build what it measures.";

/// What the command line asks for.
struct Request {
    task: Task,
    count: Option<u32>,
    record: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Task {
    Compare,
    Soak,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(request) => match request.task {
            Task::Compare => {
                compare::run(&arguments, request.count.unwrap_or(40), request.record.as_deref())
            }
            Task::Soak => soak::run(request.count.unwrap_or(1000), request.record.as_deref()),
        },
        Err(message) => {
            eprintln!("gantry-bench: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut words = arguments.iter();
    let task = match words.next().map(String::as_str) {
        Some("compare") => Task::Compare,
        Some("soak") => Task::Soak,
        Some(other) => return Err(format!("unknown task: {other}")),
        None => return Err("no task given".to_owned()),
    };
    let mut request = Request { task, count: None, record: None };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match (task, flag.as_str()) {
            (Task::Compare, "--rounds") | (Task::Soak, "--runs") => {
                let count = value.parse().ok().filter(|count| *count > 0);
                request.count = Some(count.ok_or_else(|| format!("{flag}: not a count: {value}"))?);
            }
            (_, "--record") => request.record = Some(value.into()),
            _ => return Err(format!("unknown flag: {flag}")),
        }
    }
    Ok(request)
}

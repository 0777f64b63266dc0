//! Measurements: Gantry beside its peers (`compare`, `images`, `networks`, `builds`), and many containers in a row (`soak`).

mod builds;
mod clock;
mod compare;
mod connection;
mod containers;
mod images;
mod machine;
mod memory;
mod networks;
mod processes;
mod samples;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: gantry-bench compare [--rounds N] [--only PART,PART… | --record FILE]
       gantry-bench images [--rounds N] [--record FILE]
       gantry-bench networks [--rounds N] [--only PART,PART… | --record FILE]
       gantry-bench containers [--rounds N] [--only PART,PART… | --record FILE]
       gantry-bench builds [--rounds N] [--only PART,PART… | --record FILE]
       gantry-bench soak [--runs N] [--operations N] [--record FILE]
       gantry-bench apply ARCHIVE FOLDER

The parts are engines, plain, docker, exec, peak, shims and sizes; of networks, starts, connect, crowd, streams,
requests and dns; of containers, steps, lists, crowd, logs, idle, starts and thousand; of builds, steps, large and crowd. Run it through `make bench`, `make bench-images`,
`make bench-networks`, `make bench-containers`, `make bench-builds` and `make soak`, which build what it measures.";

/// What the command line asks for.
struct Request {
    task: Task,
    count: Option<u32>,
    operations: Option<u32>,
    only: Vec<String>,
    record: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Task {
    Compare,
    Images,
    Networks,
    Containers,
    Builds,
    Soak,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [task, archive, folder] = &arguments[..]
        && task == "apply"
    {
        return images::apply(archive.as_ref(), folder.as_ref());
    }
    match parse(&arguments) {
        Ok(request) => match request.task {
            Task::Compare => {
                let Request { count, only, record, .. } = request;
                let options = compare::Options { rounds: count.unwrap_or(120), only, record };
                compare::run(&arguments, &options)
            }
            Task::Images => {
                images::run(&arguments, request.count.unwrap_or(5), request.record.as_deref())
            }
            Task::Networks => {
                let Request { count, only, record, .. } = request;
                networks::run(&arguments, count.unwrap_or(30), &only, record.as_deref())
            }
            Task::Containers => {
                let Request { count, only, record, .. } = request;
                containers::run(&arguments, count.unwrap_or(30), &only, record.as_deref())
            }
            Task::Builds => {
                let Request { count, only, record, .. } = request;
                builds::run(&arguments, count.unwrap_or(10), &only, record.as_deref())
            }
            Task::Soak => soak::run(&soak::Request {
                runs: request.count.unwrap_or(1000),
                operations: request.operations.unwrap_or(24_000),
                record: request.record.as_deref(),
            }),
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
        Some("images") => Task::Images,
        Some("networks") => Task::Networks,
        Some("containers") => Task::Containers,
        Some("builds") => Task::Builds,
        Some("soak") => Task::Soak,
        Some(other) => return Err(format!("unknown task: {other}")),
        None => return Err("no task given".to_owned()),
    };
    let mut request =
        Request { task, count: None, operations: None, only: Vec::new(), record: None };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match (task, flag.as_str()) {
            (
                Task::Compare | Task::Images | Task::Networks | Task::Containers | Task::Builds,
                "--rounds",
            )
            | (Task::Soak, "--runs") => {
                request.count = Some(count(flag, value)?);
            }
            (Task::Soak, "--operations") => request.operations = Some(count(flag, value)?),
            (Task::Compare, "--only") => request.only = parts(value, &compare::PARTS)?,
            (Task::Networks, "--only") => request.only = parts(value, &networks::PARTS)?,
            (Task::Containers, "--only") => request.only = parts(value, &containers::PARTS)?,
            (Task::Builds, "--only") => request.only = parts(value, &builds::PARTS)?,
            (_, "--record") => request.record = Some(value.into()),
            _ => return Err(format!("unknown flag: {flag}")),
        }
    }
    if request.record.is_some() && !request.only.is_empty() {
        return Err("a part alone is not recorded: leave out --only or --record".to_owned());
    }
    Ok(request)
}

fn parts(list: &str, known: &[&str]) -> Result<Vec<String>, String> {
    let one = |part: &str| {
        if known.contains(&part) {
            Ok(part.to_owned())
        } else {
            Err(format!("--only: no such part: {part}"))
        }
    };
    list.split(',').map(one).collect()
}

fn count(flag: &str, value: &str) -> Result<u32, String> {
    let count = value.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("{flag}: not a count: {value}"))
}

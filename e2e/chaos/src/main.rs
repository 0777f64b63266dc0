//! Chaos: containers whose runtime or shim is killed with SIGKILL on the way. Afterwards nothing may be left of them, and no exit
//! status may be lost: of each container that ran, the end is heard once, from whoever survives.
//!
//! A third form, `images`, kills the daemon in the middle of what changes images (`images.rs`), a fourth, `engine`, in the middle of
//! everything that clients do with containers (`engine.rs`).
//!
//! Two forms. `cycles` kills at random moments, many lives at a time, each repeatable by its seed and number. `sweep` kills at every
//! system call in turn, with strace's help: slower, but it misses no moment. Both see the programs under test from the outside only, as
//! their callers do, except that the client for shims is the daemon's own.
//!
//! ```text
//! cycles.rs           workers, and what they report     by_command_line.rs  one life through gantry-runc
//! sweep.rs            a kill at the n-th system call     by_shim.rs          one life through gantry-shim
//! strike.rs           a command, and its killer          family.rs           orphans come to us
//! stage.rs, trace.rs  where they live; what is left      record.rs           the result, in words
//! ```

mod by_command_line;
mod by_shim;
mod cycles;
mod dice;
mod engine;
mod family;
mod images;
mod record;
mod stage;
mod strike;
mod sweep;
mod trace;

use std::process::ExitCode;

const USAGE: &str =
    "usage: gantry-chaos cycles [--count N] [--jobs N] [--seed N] [--only CYCLE] [--record FILE]
       gantry-chaos sweep [--every N] [--from N] [--case WORDS] [--record FILE]
       gantry-chaos images [--count N] [--seed N] [--record FILE]
       gantry-chaos engine [--count N] [--clients N] [--seed N] [--record FILE]

cycles  N lives (150), 8 at a time, killed at random moments; --only repeats one
sweep   kills at every N-th system call (1), beginning with number --from (1); --case picks commands by name
images  kills the daemon at N random moments (15) of what changes images
engine  kills the daemon at N random moments (15) while N clients (8) use it

Run it through `make chaos`, which builds what it kills.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.split_first() {
        Some((&"cycles", flags)) => parse_cycles(flags).map(|request| cycles::run(&request)),
        Some((&"sweep", flags)) => parse_sweep(flags).map(|request| sweep::run(&request)),
        Some((&"images", flags)) => parse_images(flags).map(|request| images::run(&request)),
        Some((&"engine", flags)) => parse_engine(flags).map(|request| engine::run(&request)),
        Some((&"worker", rest)) => parse_part(rest).map(|part| cycles::work(&part)),
        Some((&"sweeper", rest)) => parse_sweeper(rest).map(|part| sweep::work(&part)),
        _ => Err("no task given".to_owned()),
    };
    result.unwrap_or_else(|message| {
        eprintln!("gantry-chaos: {message}\n\n{USAGE}");
        ExitCode::from(2)
    })
}

fn parse_cycles(flags: &[&str]) -> Result<cycles::Request, String> {
    let mut request =
        cycles::Request { count: 150, jobs: 8, seed: dice::any_seed(), only: None, record: None };
    for pair in flags.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        match *flag {
            "--count" => request.count = number(flag, value)?,
            "--jobs" => request.jobs = number::<u32>(flag, value)?.max(1),
            "--seed" => request.seed = number(flag, value)?,
            "--only" => request.only = Some(number(flag, value)?),
            "--record" => request.record = Some(value.into()),
            _ => return Err(format!("unknown flag: {flag}")),
        }
    }
    Ok(request)
}

fn parse_sweep(flags: &[&str]) -> Result<sweep::Request, String> {
    let mut request = sweep::Request { every: 1, from: 1, case: String::new(), record: None };
    for pair in flags.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        match *flag {
            "--every" => request.every = number::<u32>(flag, value)?.max(1),
            "--from" => request.from = number::<u32>(flag, value)?.max(1),
            "--case" => (*value).clone_into(&mut request.case),
            "--record" => request.record = Some(value.into()),
            _ => return Err(format!("unknown flag: {flag}")),
        }
    }
    Ok(request)
}

fn parse_images(flags: &[&str]) -> Result<images::Request, String> {
    let mut request = images::Request { count: 15, seed: dice::any_seed(), record: None };
    for pair in flags.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        match *flag {
            "--count" => request.count = number(flag, value)?,
            "--seed" => request.seed = number(flag, value)?,
            "--record" => request.record = Some(value.into()),
            _ => return Err(format!("unknown flag: {flag}")),
        }
    }
    Ok(request)
}

fn parse_engine(flags: &[&str]) -> Result<engine::Request, String> {
    let mut request =
        engine::Request { count: 15, clients: 8, seed: dice::any_seed(), record: None };
    for pair in flags.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        match *flag {
            "--count" => request.count = number(flag, value)?,
            "--clients" => request.clients = number::<u32>(flag, value)?.max(1),
            "--seed" => request.seed = number(flag, value)?,
            "--record" => request.record = Some(value.into()),
            _ => return Err(format!("unknown flag: {flag}")),
        }
    }
    Ok(request)
}

/// What [`cycles`] tells its workers.
fn parse_part(words: &[&str]) -> Result<cycles::Part, String> {
    let [folder, index, jobs, count, seed, only @ ..] = words else {
        return Err("worker is not for you".to_owned());
    };
    let only = only.first().map(|word| number("cycle", word)).transpose()?;
    let request = cycles::Request {
        count: number("count", count)?,
        jobs: number("jobs", jobs)?,
        seed: number("seed", seed)?,
        only,
        record: None,
    };
    Ok(cycles::Part { folder: (*folder).into(), index: number("index", index)?, request })
}

/// What [`sweep`] tells its workers.
fn parse_sweeper(words: &[&str]) -> Result<sweep::Part, String> {
    let [folder, first, step, case] = words else {
        return Err("sweeper is not for you".to_owned());
    };
    Ok(sweep::Part {
        folder: (*folder).into(),
        first: number("first", first)?,
        step: number("step", step)?,
        case: (*case).to_owned(),
    })
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: not a number: {text}"))
}

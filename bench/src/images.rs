//! Images: bringing them in, sending them out and removing them, beside the peers; and what alone decides how fast
//! that can be: applying an archive.
//!
//! Each round takes every engine through the same chain: a cold pull, a save, a push to an empty registry and again
//! to the same one, a removal, a load. Debian's registry stands on the loopback.

mod engine;
mod listing;
mod sample;
mod tree;

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use gantry_testkit::{Daemon, Registry};

use self::engine::{Engine, Gantry};
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::compare::peer::{Dockerd, Podman};
use crate::compare::{report, stage};
use crate::machine;
use crate::samples::Samples;

/// What is timed, in the order of a round.
const STEPS: [&str; 6] = ["pull", "save", "push", "push again", "rmi", "load"];

/// ext4 does not use an inode again within five seconds and looks at each of them meanwhile: whoever creates files
/// right after many were removed pays for that. So everybody waits until it is over.
const SETTLE: Duration = Duration::from_secs(6);

/// The daemon's memory at its highest during a pull may be this, in MB.
const PEAK_MB: f64 = 100.0;

/// The subcommand that applies an archive to a folder, and nothing else: what is timed beside GNU tar.
pub(crate) fn apply(archive: &Path, folder: &Path) -> ExitCode {
    let open = |path: &Path| fs::File::open(path).map_err(|error| error.to_string());
    let applied = open(archive).and_then(|archive| {
        let root = open(folder)?;
        gantry_archive::apply(archive, root.as_fd(), &gantry_archive::ApplyOptions::default())
            .map_err(|error| error.to_string())
    });
    match applied {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry-bench: apply {}: {error}", archive.display());
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn run(arguments: &[String], rounds: u32, record: Option<&Path>) -> ExitCode {
    gantry_testkit::require_root();
    if let Some(code) = stage::enter_private_namespace(arguments) {
        return code;
    }
    let _sweeper = stage::Sweeper::new();
    let folder = tempfile::Builder::new().prefix("gantry-bench-").tempdir();
    let folder = folder.expect("make a folder for the images");
    let archive = sample::archive();
    let registry = Registry::open();
    let image = format!("{}/bench:1", registry.address());
    upload(&registry, &archive, &image);

    let mut sections = vec![peak(&image), listing::figures(), tree::figures(folder.path(), rounds)];
    sections.insert(0, engines(folder.path(), &archive, &image, rounds));
    let page = page(&sections, rounds, &archive);
    println!("{page}");
    if let Some(path) = record {
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

/// The layers are compressed on their way up, as they are in registries.
fn upload(registry: &Registry, archive: &Path, image: &str) {
    let from = format!("docker-archive:{}", archive.display());
    let policy = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"];
    let to = format!("docker://{image}");
    let words = [&policy[..], &[&from, &to]].concat();
    registry.skopeo(&words).timeout(Duration::from_mins(5)).run().success();
}

fn engines(folder: &Path, archive: &Path, image: &str, rounds: u32) -> Figures {
    let mut engines: Vec<(Box<dyn Engine>, Vec<Samples>)> = Vec::new();
    let steps = || vec![Samples::default(); STEPS.len()];
    engines.push((Box::new(Gantry::start()), steps()));
    let small = folder.join("busybox.tar");
    fs::write(&small, gantry_testkit::busybox().docker_archive()).expect("write a small archive");
    if let Some(podman) = Podman::prepare(folder, &small) {
        engines.push((Box::new(podman), steps()));
    }
    if let Some(dockerd) = Dockerd::start(folder, &small) {
        engines.push((Box::new(dockerd), steps()));
    }
    for round in 0..rounds {
        for (engine, samples) in &mut engines {
            eprint!("\rimages: round {} of {rounds}, {} ", round + 1, engine.name());
            let times = chain(engine.as_ref(), folder, archive, image);
            for (samples, took) in samples.iter_mut().zip(times) {
                samples.add(took);
            }
        }
    }
    eprintln!();
    let medians = |samples: &[Samples]| samples.iter().map(Samples::median_ms).collect();
    let rows: Vec<(String, Vec<f64>)> = engines
        .iter()
        .map(|(engine, samples)| (engine.name().to_owned(), medians(samples)))
        .collect();
    Figures {
        title: "engines: medians, ms".to_owned(),
        columns: STEPS.to_vec(),
        limits: limits(&rows),
        rows,
    }
}

/// One round of one engine, a time for each of [`STEPS`].
fn chain(engine: &dyn Engine, folder: &Path, archive: &Path, image: &str) -> Vec<Duration> {
    let mut times = Vec::with_capacity(STEPS.len());
    let saved = folder.join("saved.tar");
    thread::sleep(SETTLE);
    times.push(time(&mut engine.pull(image)));
    times.push(time(&mut engine.save(image, &saved)));
    fs::remove_file(&saved).expect("remove what was saved");
    let empty = Registry::open();
    let elsewhere = format!("{}/bench:1", empty.address());
    time(&mut engine.command(&["tag", image, &elsewhere]));
    times.push(time(&mut engine.push(&elsewhere)));
    times.push(time(&mut engine.push(&elsewhere)));
    times.push(time(&mut engine.command(&["rmi", image, &elsewhere])));
    thread::sleep(SETTLE);
    times.push(time(&mut engine.load(archive)));
    time(&mut engine.command(&["rmi", sample::NAME]));
    times
}

fn limits(rows: &[(String, Vec<f64>)]) -> Vec<Limit> {
    let figure = |engine: &str, step: &str| {
        let row = rows.iter().find(|(name, _)| name == engine);
        let column = STEPS.iter().position(|known| *known == step);
        row.zip(column).map_or(f64::NAN, |((_, times), column)| times[column])
    };
    let beside = |step: &str, peer: &str, most: f64| {
        let promise = format!("{step} ≤ {most} × {peer}");
        Limit::new(promise, figure("gantry", step) / figure(peer, step), most)
    };
    let faster = |step: &str, most: f64| {
        // `min` takes the number where the other is none.
        let peer = figure("podman", step).min(figure("docker", step));
        let promise = format!("{step} ≤ {most} × the faster peer");
        Limit::new(promise, figure("gantry", step) / peer, most)
    };
    vec![
        beside("pull", "podman", 0.25),
        beside("pull", "docker", 0.33),
        faster("load", 0.3),
        faster("save", 0.3),
        beside("push", "docker", 1.0),
        beside("push again", "docker", 0.5),
        faster("rmi", 0.1),
    ]
}

/// The daemon's highest resident memory, pulling as the first thing it does.
fn peak(image: &str) -> Figures {
    let daemon = Daemon::start();
    let before = peak_mb(daemon.pid());
    daemon.gantry(&["pull", "-q", image]).timeout(Duration::from_mins(5)).run().success();
    let after = peak_mb(daemon.pid());
    Figures {
        title: "the daemon's highest resident memory, MB".to_owned(),
        columns: vec!["before", "after a pull"],
        rows: vec![("gantryd".to_owned(), vec![before, after])],
        limits: vec![Limit::new(format!("peak ≤ {PEAK_MB} MB"), after, PEAK_MB)],
    }
}

pub(crate) fn peak_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("the daemon with process id {pid} is gone"));
    kib * 1024.0 / 1e6
}

fn page(sections: &[Figures], rounds: u32, archive: &Path) -> String {
    let mut page = String::from("# Images\n\nMade by `make bench-images`; do not edit.\n\n");
    let bytes = fs::metadata(archive).map_or(0, |found| found.len());
    report::line(&mut page, &format!("- date: {}", machine::date()));
    report::line(&mut page, &format!("- machine: {}", machine::describe()));
    let method = "interleaved rounds, wall time seen by the caller, medians in ms";
    report::line(&mut page, &format!("- method: {rounds} {method}"));
    let what = "a Debian root of mmdebstrap's with a compiler, Python and git, in 5 layers";
    report::line(&mut page, &format!("- image: {what}, {} MB uncompressed", bytes / 1_000_000));
    report::line(&mut page, &format!("- versions: {}", report::versions()));
    for section in sections {
        report::figures(&mut page, section);
    }
    page
}

/// A shell line's worth of arguments for `program`.
fn words(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

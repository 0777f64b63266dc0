//! One interleaved measurement of everything: engines beside engines, runtimes beside runtimes.
//!
//! Subjects take turns round by round, so that a slow minute of the machine hits all of them. Every subject is
//! measured back to back and after a pause, because people start containers on idle machines. Peers that are not
//! installed are left out and named.

mod bundle;
mod engines;
mod peer;
mod report;
mod runtimes;
mod stage;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use gantry_testkit::Daemon;

use crate::clock::time;
use crate::samples::Samples;

/// Long enough for the kernel to become idle.
const PAUSE: Duration = Duration::from_millis(150);

/// One thing to measure.
pub(crate) struct Subject {
    /// How the report names it.
    pub(crate) name: String,
    /// Builds the command of one run; the number is unique.
    pub(crate) command: Box<dyn Fn(u32) -> Command>,
    pub(crate) back_to_back: Samples,
    pub(crate) after_pause: Samples,
}

impl Subject {
    pub(crate) fn new(name: impl Into<String>, command: impl Fn(u32) -> Command + 'static) -> Self {
        Self {
            name: name.into(),
            command: Box::new(command),
            back_to_back: Samples::default(),
            after_pause: Samples::default(),
        }
    }
}

/// Subjects that do the same, with the bars between them.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) bars: Vec<Bar>,
}

/// A promise: the median of `ours` is at most `ratio` times that of `peer`.
pub(crate) struct Bar {
    pub(crate) ours: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) ratio: f64,
}

pub(crate) fn run(arguments: &[String], rounds: u32, record: Option<&Path>) -> ExitCode {
    gantry_testkit::require_root();
    if let Some(code) = stage::enter_private_namespace(arguments) {
        return code;
    }
    let _sweeper = stage::Sweeper::new();
    let folder = tempfile::Builder::new().prefix("gantry-bench-").tempdir();
    let folder = folder.expect("make a folder for the bundles");
    let daemon = Daemon::with_busybox();
    let (engine_group, podman) = engines::group(&daemon, folder.path());
    let mut groups = vec![engine_group];
    groups.extend(runtimes::groups(&daemon, folder.path()));
    for group in &mut groups {
        measure(group, rounds);
    }
    let page = report::page(&groups, rounds);
    drop(podman);
    println!("{page}");
    if let Some(path) = record {
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

fn measure(group: &mut Group, rounds: u32) {
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    // Once for the caches, not counted.
    for subject in &group.subjects {
        time(&mut (subject.command)(next()));
    }
    for round in 0..rounds {
        eprint!("\r{}: round {} of {rounds} ", group.title, round + 1);
        for subject in &mut group.subjects {
            let took = time(&mut (subject.command)(next()));
            subject.back_to_back.add(took);
        }
        for subject in &mut group.subjects {
            std::thread::sleep(PAUSE);
            let took = time(&mut (subject.command)(next()));
            subject.after_pause.add(took);
        }
    }
    eprintln!();
}

//! One measurement of everything: engines beside engines, runtimes beside runtimes, and what they weigh.
//!
//! Subjects that are timed take turns round by round, so that a slow minute of the machine hits all of them. Every
//! subject is measured back to back and after a pause, because people start containers on idle machines. Peers that
//! are not installed are left out and named.

mod bundle;
mod engines;
mod exec;
pub(crate) mod figures;
mod group;
mod peak;
pub(crate) mod peer;
pub(crate) mod report;
mod runtimes;
mod shims;
mod sizes;
pub(crate) mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gantry_testkit::Daemon;

use self::figures::Figures;
use self::group::Group;
use self::peer::Dockerd;
use self::runtimes::{Bench, Config};
use crate::clock::time;

/// What can be measured alone with `--only`, in the order of the page.
pub(crate) const PARTS: [&str; 7] =
    ["engines", "plain", "docker", "exec", "peak", "shims", "sizes"];

/// What to measure, how often, and where the page goes.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) rounds: u32,
    /// Some of [`PARTS`]; empty means all.
    pub(crate) only: Vec<String>,
    pub(crate) record: Option<PathBuf>,
}

impl Options {
    /// Engines take many times as long as runtimes, and scatter less beside their bars.
    fn engine_rounds(&self) -> u32 {
        (self.rounds / 3).max(1)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// One section of the page.
enum Section {
    Times(Group),
    Figures(Figures),
}

pub(crate) fn run(arguments: &[String], options: &Options) -> ExitCode {
    gantry_testkit::require_root();
    if let Some(code) = stage::enter_private_namespace(arguments) {
        return code;
    }
    let _sweeper = stage::Sweeper::new();
    let folder = tempfile::Builder::new().prefix("gantry-bench-").tempdir();
    let folder = folder.expect("make a folder for the bundles");
    let daemon = Daemon::with_busybox();
    let sections = sections(options, &daemon, folder.path());
    let page = report::page(&sections, (options.rounds, options.engine_rounds()));
    println!("{page}");
    if let Some(path) = &options.record {
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

fn sections(options: &Options, daemon: &Daemon, folder: &Path) -> Vec<Section> {
    let mut sections = Vec::new();
    let timed = |mut group: Group, rounds: u32| {
        group.measure(rounds);
        Section::Times(group)
    };
    let dockerd = if options.wants("engines") || options.wants("shims") {
        Dockerd::start(folder, &engines::archive(folder))
    } else {
        None
    };
    if options.wants("engines") {
        sections
            .push(timed(engines::group(daemon, folder, dockerd.as_ref()), options.engine_rounds()));
    }
    let bench = Bench::new(folder);
    let plain = Config::new("plain", "the config of `runc spec`", bundle::plain_config());
    let with_seccomp = || {
        let title = "the config that Docker generates, with its seccomp profile";
        Config::new("docker", title, bundle::docker_config(daemon))
    };
    if options.wants("plain") {
        sections.push(timed(bench.run(&plain, &runtimes::PLAIN_BARS), options.rounds));
    }
    if ["docker", "exec", "peak"].iter().any(|part| options.wants(part)) {
        let docker = with_seccomp();
        if options.wants("docker") {
            sections.push(timed(bench.run(&docker, &runtimes::DOCKER_BARS), options.rounds));
        }
        if options.wants("exec") {
            let (group, containers) = exec::group(&bench, &docker);
            sections.push(timed(group, options.rounds));
            drop(containers);
        }
        if options.wants("peak") {
            sections.push(Section::Figures(peak::figures(&bench, &[&plain, &docker])));
        }
    }
    if options.wants("shims") {
        sections.push(Section::Figures(shims::figures(daemon, dockerd.as_ref())));
    }
    if options.wants("sizes") {
        sections.push(Section::Figures(sizes::figures()));
    }
    sections
}

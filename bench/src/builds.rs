//! Builds, beside buildah, `BuildKit` and Docker's classic builder: a Dockerfile of twelve steps with two thousand files around it
//! (new, known, with one file changed), fifty commands that do nothing, a layer of a gigabyte and its way to a registry, and a
//! context of a hundred thousand files.
//!
//! Each round takes every builder through the same steps, one builder after the other.

mod builder;
mod context;
mod crowd;
mod large;
mod steps;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use self::builder::{BuildKit, Buildah, Builder, Classic, Gantry};
use crate::compare::figures::Figures;
use crate::compare::peer::Dockerd;
use crate::compare::{report, stage};
use crate::machine;

/// The parts of the measurement.
pub(crate) const PARTS: [&str; 3] = ["steps", "large", "crowd"];

pub(crate) fn run(
    arguments: &[String],
    rounds: u32,
    only: &[String],
    record: Option<&Path>,
) -> ExitCode {
    gantry_testkit::require_root();
    if let Some(code) = stage::enter_private_namespace(arguments) {
        return code;
    }
    let _sweeper = stage::Sweeper::new();
    let folder = tempfile::Builder::new().prefix("gantry-bench-").tempdir();
    let folder = folder.expect("make a folder for the builds");
    let small = folder.path().join("busybox.tar");
    fs::write(&small, gantry_testkit::busybox().docker_archive()).expect("write a small archive");
    let dockerd = Dockerd::start(folder.path(), &small).filter(|_| builder::has_debian_cli());
    let mut builders: Vec<Box<dyn Builder + '_>> = vec![Box::new(Gantry::start())];
    if let Some(buildah) = Buildah::prepare(folder.path(), &small) {
        builders.push(Box::new(buildah));
    }
    if let Some(dockerd) = &dockerd {
        builders.push(Box::new(BuildKit(dockerd)));
        builders.push(Box::new(Classic(dockerd)));
    }
    let wanted = |part: &str| only.is_empty() || only.iter().any(|wanted| wanted == part);
    let mut sections = Vec::new();
    if wanted("steps") {
        sections.push(steps::figures(&builders, folder.path(), rounds));
    }
    if wanted("large") {
        sections.push(large::figures(&builders, folder.path(), rounds.div_ceil(5)));
    }
    if wanted("crowd") {
        sections.extend(crowd::figures(folder.path(), rounds));
    }
    let page = page(&sections, rounds);
    println!("{page}");
    if let Some(path) = record {
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

fn page(sections: &[Figures], rounds: u32) -> String {
    let mut page = String::from("# Builds\n\nMade by `make bench-builds`; do not edit.\n\n");
    report::line(&mut page, &format!("- date: {}", machine::date()));
    report::line(&mut page, &format!("- machine: {}, {}", machine::describe(), machine::load()));
    let method = "interleaved rounds (a fifth of them for the large layer), wall time seen by the caller, medians in ms; the registry's store is in memory";
    report::line(&mut page, &format!("- method: {rounds} {method}"));
    report::line(&mut page, &format!("- versions: {}; {}", report::versions(), builder::version()));
    for section in sections {
        report::figures(&mut page, section);
    }
    page
}

//! Containers: what each step of their lives takes, beside podman (with crun, where that is installed) and dockerd, and
//! what many of them take from the machine. Every engine has a host of its own, a network namespace.

mod crowd;
mod engines;
mod idle;
mod lists;
mod logs;
mod starts;
mod steps;
mod thousand;
mod turns;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use self::engines::Engines;
use crate::compare::figures::Figures;
use crate::compare::{report, stage};
use crate::machine;

/// The parts, in their order.
pub(crate) const PARTS: [&str; 7] =
    ["steps", "lists", "crowd", "logs", "idle", "starts", "thousand"];

/// Measures the parts (all of them when none is named), prints the page, and writes it to `record`.
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
    let folder = folder.expect("make a folder for the containers");
    let wanted = |part: &str| only.is_empty() || only.iter().any(|it| it == part);
    let mut sections = Vec::new();
    // While the machine has nothing else to do.
    if wanted("idle") {
        sections.push(idle::figures(folder.path()));
    }
    if wanted("starts") {
        sections.push(starts::figures(folder.path(), rounds.min(7)));
    }
    if ["steps", "lists", "crowd", "logs"].into_iter().any(wanted) {
        let engines = Engines::start(folder.path());
        if wanted("steps") {
            sections.extend(steps::figures(&engines, rounds));
        }
        if wanted("crowd") {
            sections.extend(crowd::figures(&engines, rounds.min(5)));
        }
        if wanted("logs") {
            sections.push(logs::figures(&engines, folder.path(), rounds.min(9)));
        }
        if wanted("lists") {
            sections.push(lists::figures(&engines));
        }
    }
    if wanted("thousand") {
        sections.push(thousand::figures());
    }
    let page = page(&sections, rounds);
    println!("{page}");
    if let Some(path) = record {
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

fn page(sections: &[Figures], rounds: u32) -> String {
    let mut page =
        String::from("# Containers\n\nMade by `make bench-containers`; do not edit.\n\n");
    report::line(&mut page, &format!("- date: {}", machine::date()));
    report::line(&mut page, &format!("- machine: {}", machine::describe()));
    let method = "interleaved rounds in an order that turns, with a pause behind each command, wall time seen by the caller, \
                  medians";
    report::line(&mut page, &format!("- method: {rounds} {method}"));
    report::line(&mut page, &format!("- data roots: {}", machine::data()));
    report::line(&mut page, &format!("- versions: {}", report::versions()));
    for section in sections {
        report::figures(&mut page, section);
    }
    page
}

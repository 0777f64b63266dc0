//! Networks: what they add to a start, and how fast packets go, beside podman and beside the same paths built by hand with `ip` and
//! `nft`. Every engine has a host of its own: a network namespace, with another one outside.

mod by_hand;
mod crowd;
mod dns;
mod paths;
mod requests;
pub(crate) mod site;
mod starts;
mod streams;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::compare::figures::{Figures, Limit};
use crate::compare::{report, stage};
use crate::machine;

/// The parts, in their order.
pub(crate) const PARTS: [&str; 6] = ["starts", "connect", "crowd", "streams", "requests", "dns"];

/// Measures the parts (all of them when none is named), prints the page, and writes it to `record`.
pub(crate) fn run(
    arguments: &[String],
    rounds: u32,
    only: &[String],
    record: Option<&Path>,
) -> ExitCode {
    if let Some(code) = stage::enter_private_namespace(arguments) {
        return code;
    }
    let _sweeper = stage::Sweeper::new();
    let folder = tempfile::Builder::new().prefix("gantry-bench-").tempdir();
    let folder = folder.expect("make a folder for the networks");
    let wanted = |part: &str| only.is_empty() || only.iter().any(|it| it == part);
    let mut sections = Vec::new();
    if wanted("starts") {
        sections.push(starts::figures(folder.path(), rounds));
    }
    if wanted("connect") {
        sections.push(starts::connections(folder.path(), rounds));
    }
    if wanted("crowd") {
        sections.push(crowd::figures());
    }
    if wanted("dns") {
        sections.push(dns::figures(folder.path(), rounds.min(9)));
    }
    if wanted("streams") {
        sections.push(streams::figures(rounds));
    }
    if wanted("requests") {
        sections.push(requests::figures(folder.path(), rounds));
    }
    let page = page(&sections, rounds);
    println!("{page}");
    if let Some(path) = record {
        fs::write(path, page).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
    ExitCode::SUCCESS
}

fn page(sections: &[Figures], rounds: u32) -> String {
    let mut page = String::from("# Networks\n\nMade by `make bench-networks`; do not edit.\n\n");
    report::line(&mut page, &format!("- date: {}", machine::date()));
    report::line(&mut page, &format!("- machine: {}", machine::describe()));
    report::line(
        &mut page,
        &format!(
            "- method: interleaved rounds ({rounds}; 9 of dns, at most), medians; of paths, the medians of the ratios of two that follow \
             one another"
        ),
    );
    report::line(&mut page, &format!("- versions: {}; podman with netavark", report::versions()));
    for section in sections {
        report::figures(&mut page, section);
    }
    page
}

/// Who comes when in this round: each follows what another one left behind as often as its own.
fn in_turn(subjects: usize, round: u32) -> impl Iterator<Item = usize> {
    (0..subjects).cycle().skip(round as usize % subjects).take(subjects)
}

/// The median of what was counted.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of both sides.
fn medians(pairs: &[(f64, f64)]) -> Vec<f64> {
    let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    vec![median(&ours), median(&theirs)]
}

/// A promise that ours is at least `least` times as fast as by hand, where higher numbers are faster. The two of a pair were measured one
/// after the other: whatever else the machine did then, it did to both.
fn at_least(what: &str, pairs: &[(f64, f64)], least: f64) -> Limit {
    let promise = format!("{what} ≥ {least} × by hand, as by hand ÷ ours ≤ {:.3}", 1.0 / least);
    let ratios: Vec<f64> = pairs.iter().map(|(ours, theirs)| theirs / ours).collect();
    Limit::new(promise, median(&ratios), 1.0 / least)
}

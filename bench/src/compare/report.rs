//! The page that a measurement leaves: figures, ratios, bars, and what it was measured on.

use std::fmt::Write as _;

use super::Section;
use super::figures::{Figures, Limit};
use super::group::{Bar, Group, Subject};
use super::stage::installed;
use crate::machine;
use crate::samples::Samples;

/// Writes the whole page.
pub(super) fn page(sections: &[Section], (rounds, of_engines): (u32, u32)) -> String {
    let mut page = String::from("# Results\n\nMade by `make bench`; do not edit.\n\n");
    line(&mut page, &format!("- date: {}", machine::date()));
    line(&mut page, &format!("- machine: {}", machine::describe()));
    let method = "interleaved rounds, wall time seen by the caller, medians in ms; \
                  records of runtimes in memory, as below /run";
    line(&mut page, &format!("- method: {rounds} (engines: {of_engines}) {method}"));
    line(&mut page, &format!("- versions: {}", versions()));
    for section in sections {
        match section {
            Section::Times(group) => times(&mut page, group),
            Section::Figures(table) => figures(&mut page, table),
        }
    }
    page
}

fn times(page: &mut String, group: &Group) {
    line(page, &format!("\n## {}\n", group.title));
    let columns = "back to back | 10 % – 90 % | after 150 ms of idleness | 10 % – 90 %";
    line(page, &format!("| subject | {columns} | ratio to the first |"));
    line(page, "|---|---|---|---|---|---|");
    for subject in &group.subjects {
        row(page, group, subject);
    }
    page.push('\n');
    for bar in &group.bars {
        line(page, &format!("- {}", verdict(group, *bar)));
    }
}

pub(crate) fn figures(page: &mut String, table: &Figures) {
    line(page, &format!("\n## {}\n", table.title));
    line(page, &format!("| subject | {} |", table.columns.join(" | ")));
    line(page, &format!("|---|{}", "---|".repeat(table.columns.len())));
    for (name, numbers) in &table.rows {
        let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:.2}")).collect();
        line(page, &format!("| {name} | {} |", numbers.join(" | ")));
    }
    page.push('\n');
    for limit in &table.limits {
        line(page, &format!("- {}", limit.verdict()));
    }
}

pub(crate) fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a String takes what is written");
}

fn row(page: &mut String, group: &Group, subject: &Subject) {
    let spread = |samples: &Samples| {
        format!("{:.1} – {:.1}", samples.quantile_ms(0.1), samples.quantile_ms(0.9))
    };
    let first = group.subjects.first().unwrap_or(subject);
    line(
        page,
        &format!(
            "| {} | {:.1} | {} | {:.1} | {} | {:.2} |",
            subject.name,
            subject.back_to_back.median_ms(),
            spread(&subject.back_to_back),
            subject.after_pause.median_ms(),
            spread(&subject.after_pause),
            subject.back_to_back.median_ms() / first.back_to_back.median_ms(),
        ),
    );
}

fn verdict(group: &Group, bar: Bar) -> String {
    let ratio = |ours: &Samples, peer: &Samples| ours.median_ms() / peer.median_ms();
    match bar {
        Bar::Beside { ours, peer, limit } => {
            let promise = format!("{ours} ≤ {limit} × {peer}");
            let (Some(ours), Some(peer)) = (group.subject(ours), group.subject(peer)) else {
                return format!("{promise}: not measured, {peer} is not installed");
            };
            let now = ratio(&ours.back_to_back, &peer.back_to_back);
            let later = ratio(&ours.after_pause, &peer.after_pause);
            let later = Limit::new("after idleness", later, limit).verdict();
            format!("{}; {later}", Limit::new(promise, now, limit).verdict())
        }
        Bar::Idle { ours, limit } => {
            let promise = format!("{ours} after idleness ≤ {limit} × the same back to back");
            let is = group
                .subject(ours)
                .map_or(f64::NAN, |ours| ratio(&ours.after_pause, &ours.back_to_back));
            Limit::new(promise, is, limit).verdict()
        }
    }
}

pub(crate) fn versions() -> String {
    let known: Vec<String> = ["podman", "crun", "runc", "dockerd"]
        .into_iter()
        .filter_map(|name| machine::first_line(&installed(name)?, &["--version"]))
        .collect();
    known.join("; ")
}

//! The page that a measurement leaves: figures, ratios, bars, and what it was measured on.

use std::fmt::Write as _;

use super::stage::installed;
use super::{Bar, Group, Subject};
use crate::machine;
use crate::samples::Samples;

/// Writes the whole page.
pub(super) fn page(groups: &[Group], rounds: u32) -> String {
    let mut page = String::from("# Results\n\nMade by `make bench`; do not edit.\n\n");
    line(&mut page, &format!("- date: {}", machine::date()));
    line(&mut page, &format!("- machine: {}", machine::describe()));
    line(
        &mut page,
        &format!(
            "- method: {rounds} interleaved rounds, wall time seen by the caller, medians in ms"
        ),
    );
    line(&mut page, &format!("- versions: {}", versions()));
    for group in groups {
        line(&mut page, &format!("\n## {}\n", group.title));
        line(
            &mut page,
            "| subject | back to back | 10 % – 90 % | after 150 ms of idleness | 10 % – 90 % | ratio to the first |",
        );
        line(&mut page, "|---|---|---|---|---|---|");
        for subject in &group.subjects {
            row(&mut page, group, subject);
        }
        page.push('\n');
        for bar in &group.bars {
            line(&mut page, &format!("- {}", verdict(group, bar)));
        }
    }
    page
}

fn line(page: &mut String, text: &str) {
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

fn verdict(group: &Group, bar: &Bar) -> String {
    let find = |name: &str| group.subjects.iter().find(|subject| subject.name == name);
    let (Some(ours), Some(peer)) = (find(bar.ours), find(bar.peer)) else {
        return format!(
            "{} ≤ {} × {}: not measured, {} is not installed",
            bar.ours, bar.ratio, bar.peer, bar.peer
        );
    };
    let judge = |ours: &Samples, peer: &Samples| {
        let ratio = ours.median_ms() / peer.median_ms();
        let word = if ratio <= bar.ratio { "holds" } else { "does not hold" };
        format!("{ratio:.2}, {word}")
    };
    format!(
        "{} ≤ {} × {}: back to back {}; after idleness {}",
        bar.ours,
        bar.ratio,
        bar.peer,
        judge(&ours.back_to_back, &peer.back_to_back),
        judge(&ours.after_pause, &peer.after_pause),
    )
}

fn versions() -> String {
    let known: Vec<String> = ["podman", "crun", "runc", "dockerd"]
        .into_iter()
        .filter_map(|name| machine::first_line(&installed(name)?, &["--version"]))
        .collect();
    known.join("; ")
}

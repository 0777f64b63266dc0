//! The page that tells who passes what.

use std::fmt::Write as _;

use crate::case::{Case, Level, Section};
use crate::verdict::{Results, Verdict};

/// Writes the page, with the results in the given order.
pub(crate) fn page(sections: &[Section], all: &[Results]) -> String {
    let mut page = String::new();
    head(&mut page, sections, all).expect("a String takes everything");
    let mut document = "";
    for section in sections {
        if section.document != document {
            document = section.document;
            writeln!(page, "\n## {document}").expect("a String takes everything");
        }
        table(&mut page, section, all).expect("a String takes everything");
    }
    reasons(&mut page, sections, all).expect("a String takes everything");
    page
}

fn title(results: &Results) -> String {
    let layout = if results.machine.contains("hybrid") { "v1" } else { "v2" };
    format!("{} {layout}", results.runtime)
}

fn head(page: &mut String, sections: &[Section], all: &[Results]) -> std::fmt::Result {
    let count: usize = sections.iter().map(|section| section.cases.len()).sum();
    writeln!(page, "# Who keeps the runtime specification\n")?;
    writeln!(
        page,
        "{count} cases, each of which looks from inside the container at what the kernel really did. \
         `make conformance` writes this page; the suite is in this folder.\n"
    )?;
    writeln!(page, "| column | runtime | machine | passes | fails | older | skipped |")?;
    writeln!(page, "|---|---|---|---|---|---|---|")?;
    for results in all {
        let cell = |kind: Cell| {
            let all = sections.iter().flat_map(|section| {
                section.cases.iter().map(move |case| (section.name_of(case), case))
            });
            all.filter(|(name, case)| cell(results, name, case) == kind).count()
        };
        writeln!(
            page,
            "| {} | {} {}, specification 1.{} | {} | {} | {} | {} | {} |",
            title(results),
            results.runtime,
            results.version,
            results.spec,
            results.machine,
            cell(Cell::Pass),
            cell(Cell::Fail),
            cell(Cell::Older),
            cell(Cell::Skip),
        )?;
    }
    writeln!(
        page,
        "\n`older`: the rule came with a later version of the specification than the one that the runtime follows. \
         `–`: the machine cannot show it. An asterisk marks what the specification recommends or callers rely on; \
         all else it demands."
    )
}

/// What a cell of the table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Pass,
    Fail,
    Older,
    Skip,
}

fn cell(results: &Results, name: &str, case: &Case) -> Cell {
    match results.verdict(name) {
        Some(Verdict::Pass) => Cell::Pass,
        Some(Verdict::Fail(_)) if case.since.0 > results.spec => Cell::Older,
        Some(Verdict::Fail(_)) => Cell::Fail,
        Some(Verdict::Skip(_)) | None => Cell::Skip,
    }
}

fn table(page: &mut String, section: &Section, all: &[Results]) -> std::fmt::Result {
    writeln!(page, "\n### {}\n", section.title)?;
    write!(page, "| case | rule |")?;
    for results in all {
        write!(page, " {} |", title(results))?;
    }
    writeln!(page, "\n|---|---|{}", "---|".repeat(all.len()))?;
    for case in &section.cases {
        let name = section.name_of(case);
        let mark = if case.level == Level::Should { "*" } else { "" };
        let id = if case.id.is_empty() { "(empty)" } else { &case.id };
        write!(page, "| {id}{mark} | {} |", case.rule.replace('|', "\\|"))?;
        for results in all {
            let text = match cell(results, &name, case) {
                Cell::Pass => "pass",
                Cell::Fail => "**fails**",
                Cell::Older => "older",
                Cell::Skip => "–",
            };
            write!(page, " {text} |")?;
        }
        writeln!(page)?;
    }
    Ok(())
}

/// The longest reason that the page shows.
const REASON_LETTERS_MAX: usize = 160;

fn reasons(page: &mut String, sections: &[Section], all: &[Results]) -> std::fmt::Result {
    writeln!(page, "\n## Reasons")?;
    for results in all {
        writeln!(page, "\n### {}\n", title(results))?;
        let mut any = false;
        for section in sections {
            for case in &section.cases {
                let name = section.name_of(case);
                let (word, reason) = match results.verdict(&name) {
                    Some(Verdict::Fail(reason)) => ("fails", reason),
                    Some(Verdict::Skip(reason)) => ("skipped", reason),
                    _ => continue,
                };
                any = true;
                let letters: String = reason.chars().take(REASON_LETTERS_MAX).collect();
                writeln!(page, "- {name} {word}: `{}`", letters.replace('`', "'"))?;
            }
        }
        if !any {
            writeln!(page, "All pass.")?;
        }
    }
    Ok(())
}

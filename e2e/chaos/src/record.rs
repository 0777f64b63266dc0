//! What a run prints at its end, and the page it may write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What happened, and how often.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Prints the result; with a path, writes it below a heading of its own into that page.
pub(crate) fn record(title: &str, counts: &Counts, took: Duration, page: Option<&Path>) {
    record_as(title, "nothing left behind, no exit status lost", counts, took, page);
}

/// [`record`] for a run that proves something else.
pub(crate) fn record_as(
    title: &str,
    promise: &str,
    counts: &Counts,
    took: Duration,
    page: Option<&Path>,
) {
    let mut report = format!("{title}: {promise}, {:.0} s\n", took.as_secs_f64());
    for (name, count) in counts {
        writeln!(report, "  {count:>6}  {name}").expect("a String takes what is written");
    }
    print!("{report}");
    let Some(page) = page else { return };
    let heading = title.split_once([',', ':']).map_or(title, |(first, _)| first);
    let heading: String =
        heading.trim_start_matches(|c: char| c.is_ascii_digit()).trim().to_owned();
    let section = format!(
        "## {heading}\n\n- date: {}\n- machine: {}\n\n```\n{report}```\n",
        date(),
        machine()
    );
    let old = fs::read_to_string(page).unwrap_or_else(|_| INTRODUCTION.to_owned());
    fs::write(page, with_section(&old, &heading, &section))
        .unwrap_or_else(|error| panic!("write {}: {error}", page.display()));
}

const INTRODUCTION: &str = "# Chaos\n\n\
    Containers whose runtime or shim is killed on the way. Made by `make chaos`; what is done is told in `e2e/chaos`.\n";

/// The page with this section instead of the one with the same heading, or at its end.
fn with_section(page: &str, heading: &str, section: &str) -> String {
    let mark = format!("## {heading}\n");
    let Some(start) = page.find(&mark) else {
        return format!("{}\n\n{section}", page.trim_end());
    };
    let after = page[start + mark.len()..].find("\n## ").map(|at| start + mark.len() + at + 1);
    let rest = after.map(|at| format!("\n{}", &page[at..])).unwrap_or_default();
    format!("{}{section}{rest}", &page[..start])
}

fn date() -> String {
    first_line("date", &["-u", "+%F %R UTC"])
}

fn machine() -> String {
    format!(
        "{} cores, Linux {}",
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        first_line("uname", &["-r"])
    )
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_the_one_before() {
        let page = with_section("# Chaos\n", "a", "## a\n\n1\n");
        let page = with_section(&page, "b", "## b\n\n2\n");
        assert_eq!(page, "# Chaos\n\n## a\n\n1\n\n## b\n\n2\n");
        let page = with_section(&page, "a", "## a\n\n3\n");
        assert_eq!(page, "# Chaos\n\n## a\n\n3\n\n## b\n\n2\n");
    }
}

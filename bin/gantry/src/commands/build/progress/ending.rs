//! What is said when a build is over: where the time went, or what failed.

use gantry_api::build::progress::BuildFailure;
use gantry_types::Timestamp;
use std::fmt::Write;

use super::board::{Board, Step};

/// Steps that are named.
const NAMED: usize = 5;
/// What takes less is not worth naming, in seconds.
const WORTH: f64 = 0.05;
/// Lines of the failed command's output.
const LAST_LINES: usize = 20;

/// Where the time of a build went: the steps that took longest, and what was saved. Steps of different stages go on at the same
/// time, so that parts may be more than the whole.
pub(super) fn times(board: &Board, took: f64) -> String {
    let now = Timestamp { seconds: 0, nanos: 0 };
    let mut steps: Vec<&Step> = board.steps.iter().filter(|step| !step.is_cached).collect();
    steps.sort_by(|one, other| other.seconds(now).total_cmp(&one.seconds(now)));
    let named: Vec<&Step> =
        steps.iter().filter(|step| step.seconds(now) >= WORTH).take(NAMED).copied().collect();
    let cached = board.steps.iter().filter(|step| step.is_cached).count();
    let mut text = format!("{took:.1}s in all, {} of {} steps cached", cached, board.steps.len());
    if named.is_empty() {
        return text + "\n";
    }
    text += "; the longest:\n";
    for step in named {
        let share = if took > 0.0 { step.seconds(now) / took * 100.0 } else { 0.0 };
        writeln!(text, "{:>9.1}s {share:>4.0} %  {}", step.seconds(now), step.name).unwrap_or(());
    }
    text
}

/// The step that failed: the last lines of its output, and its place in the Dockerfile.
pub(super) fn failure(board: &Board, failure: &BuildFailure, dockerfile: &str) -> String {
    let mut text = String::new();
    let step = failure.vertex.as_deref().and_then(|digest| board.find(digest));
    if let Some(step) = step {
        writeln!(text, "------\n > {}:", step.name).unwrap_or(());
        let from = step.tail.len().saturating_sub(LAST_LINES);
        for (since, line) in step.tail.iter().skip(from) {
            writeln!(text, "{since:.3} {line}").unwrap_or(());
        }
        text += "------\n";
    }
    let rule = "-".repeat(20);
    writeln!(text, "{dockerfile}:{}\n{rule}", failure.first_line).unwrap_or(());
    for (number, line) in &failure.source {
        let is_in = (failure.first_line..=failure.last_line).contains(number);
        let mark = if is_in { ">>>" } else { "   " };
        writeln!(text, "{number:4} | {mark} {line}").unwrap_or(());
    }
    text + &rule + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{output, vertex};
    use super::*;

    #[test]
    fn the_longest_come_first() {
        let mut board = Board::default();
        board.take(vertex("a", ("00", Some("01")), |_| {}));
        board.take(vertex("b", ("01", Some("04")), |_| {}));
        board.take(vertex("c", ("04", Some("04")), |vertex| vertex.cached = true));
        assert_eq!(
            times(&board, 4.0),
            "4.0s in all, 1 of 3 steps cached; the longest:\n      3.0s   75 %  step b\n      1.0s   25 %  step a\n"
        );
        assert_eq!(times(&Board::default(), 0.04), "0.0s in all, 0 of 0 steps cached\n");
    }

    #[test]
    fn a_failure_shows_the_place_and_the_last_words() {
        let mut board = Board::default();
        board.take(vertex("a", ("00", None), |_| {}));
        board.take(output("a", "01", "gcc: no such file\n"));
        let failed = BuildFailure {
            first_line: 2,
            last_line: 2,
            source: vec![(1, "FROM x".to_owned()), (2, "RUN make".to_owned())],
            exit_code: 2,
            vertex: Some("a".to_owned()),
            ..BuildFailure::default()
        };
        assert_eq!(
            failure(&board, &failed, "Dockerfile"),
            "------\n > step a:\n1.000 gcc: no such file\n------\nDockerfile:2\n--------------------\n   1 |     FROM x\n   2 | >>> RUN make\n--------------------\n"
        );
    }
}

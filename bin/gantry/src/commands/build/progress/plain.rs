//! Progress as lines that only ever follow one another: for files, pipes and the logs of others.

use super::board::{Board, News};
use std::fmt::Write;

/// What was said before.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// The steps whose names were said.
    named: Vec<bool>,
    /// The step that the last line was about.
    last: Option<usize>,
}

impl Plain {
    /// The lines for some news.
    pub(super) fn lines(&mut self, board: &Board, news: &News) -> String {
        match news {
            News::Changed(number) => {
                let step = &board.steps[*number];
                let mut text = self.name(board, *number);
                let took = step.started.zip(step.ended);
                let end = match took {
                    None => return text,
                    Some(_) if step.is_cached => "CACHED".to_owned(),
                    Some(_) if !step.error.is_empty() => format!("ERROR: {}", step.error),
                    Some((started, ended)) => {
                        format!("DONE {:.1}s", ended.since(started).as_secs_f64())
                    }
                };
                writeln!(text, "#{} {end}", number + 1).unwrap_or(());
                text
            }
            News::Lines(number, lines) => {
                let mut text = self.name(board, *number);
                for (since, line) in lines {
                    writeln!(text, "#{} {since:.3} {line}", number + 1).unwrap_or(());
                }
                text
            }
        }
    }

    /// The step's name, where it was not said, or others were spoken of since.
    fn name(&mut self, board: &Board, number: usize) -> String {
        if self.named.len() <= number {
            self.named.resize(number + 1, false);
        }
        let was_named = std::mem::replace(&mut self.named[number], true);
        let before = self.last.replace(number);
        if was_named && before == Some(number) {
            return String::new();
        }
        let gap = if before.is_some() { "\n" } else { "" };
        format!("{gap}#{} {}\n", number + 1, board.steps[number].name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{output, vertex};
    use super::*;

    #[test]
    fn steps_are_named_when_others_came_between() {
        let (mut board, mut plain) = (Board::default(), Plain::default());
        let mut said = String::new();
        for status in [
            vertex("a", ("01", None), |_| {}),
            output("a", "01.25", "hello\n"),
            vertex("b", ("02", Some("02")), |vertex| vertex.cached = true),
            output("a", "03", "again\n"),
            vertex("a", ("01", Some("04.52")), |_| {}),
            vertex("c", ("05", Some("06")), |vertex| vertex.error = "broken".to_owned()),
        ] {
            for news in board.take(status) {
                said += &plain.lines(&board, &news);
            }
        }
        assert_eq!(
            said,
            "#1 step a\n#1 0.250 hello\n\n#2 step b\n#2 CACHED\n\n#1 step a\n#1 2.000 again\n#1 DONE 3.5s\n\
             \n#3 step c\n#3 ERROR: broken\n"
        );
    }
}

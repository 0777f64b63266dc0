//! Progress as a live picture at a terminal: each step with its time, what is cached, and the latest lines of what goes on.

use std::fmt::Write;

use gantry_types::Timestamp;

use super::board::{Board, Step, clean};

/// Lines of output below a step that goes on.
const TAIL: usize = 6;
/// Columns for a time, at the right.
const TIME: usize = 9;
const BLUE: &str = "\x1b[34m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// What is on the screen.
#[derive(Debug)]
pub(super) struct Tree {
    began: Timestamp,
    colours: bool,
    /// Lines of the last picture.
    drawn: usize,
}

impl Tree {
    pub(super) fn new(began: Timestamp, colours: bool) -> Self {
        Self { began, colours, drawn: 0 }
    }

    /// What to write so that the last picture becomes this one. At the end all steps are shown, however many.
    pub(super) fn draw(
        &mut self,
        board: &Board,
        now: Timestamp,
        (rows, columns): (usize, usize),
        is_end: bool,
    ) -> String {
        let lines = self.lines(board, now, (rows, columns), is_end);
        let mut text = String::new();
        if self.drawn > 0 {
            // To the first line of the picture, and away with all below.
            write!(text, "\x1b[{}A\r\x1b[J", self.drawn).unwrap_or(());
        }
        for line in &lines {
            text += line;
            text += "\r\n";
        }
        self.drawn = lines.len();
        text
    }

    fn lines(
        &self,
        board: &Board,
        now: Timestamp,
        (rows, columns): (usize, usize),
        is_end: bool,
    ) -> Vec<String> {
        let over = board.steps.iter().filter(|step| step.ended.is_some()).count();
        let state = if is_end && board.steps.iter().all(|step| step.error.is_empty()) {
            " FINISHED"
        } else {
            ""
        };
        let took = now.since(self.began).as_secs_f64();
        let mut lines =
            vec![format!("[+] Building {took:.1}s ({over}/{}){state}", board.steps.len())];
        let mut body = Vec::new();
        for step in &board.steps {
            body.push(self.step(step, now, columns));
            if step.ended.is_none() && !is_end {
                let from = step.tail.len().saturating_sub(TAIL);
                for (since, line) in step.tail.iter().skip(from) {
                    let line = fit(&format!(" => => # {since:.1} {}", clean(line)), columns);
                    body.push(self.coloured(DIM, &line));
                }
            }
        }
        // A picture that is higher than the screen could not be drawn over.
        let room = rows.saturating_sub(3).max(1);
        if !is_end && body.len() > room {
            let hidden = body.len() - room + 1;
            body.drain(..hidden);
            lines.push(fit(&format!(" => ... {hidden} more"), columns));
        }
        lines.extend(body);
        lines
    }

    fn step(&self, step: &Step, now: Timestamp, columns: usize) -> String {
        let mark = match (step.is_cached, step.error.as_str()) {
            (true, _) => "CACHED ",
            (_, "") => "",
            (_, "canceled") => "CANCELED ",
            _ => "ERROR ",
        };
        let time = format!("{:.1}s", step.seconds(now));
        let name = fit(&format!(" => {mark}{}", step.name), columns.saturating_sub(TIME + 1));
        let gap = columns.saturating_sub(name.chars().count() + time.len() + 1).max(1);
        let line = format!("{name}{}{time}", " ".repeat(gap));
        match step {
            Step { error, .. } if !error.is_empty() => self.coloured(RED, &line),
            Step { ended: Some(_), .. } => self.coloured(BLUE, &line),
            _ => line,
        }
    }

    fn coloured(&self, colour: &str, line: &str) -> String {
        if self.colours { format!("{colour}{line}{PLAIN}") } else { line.to_owned() }
    }
}

/// A line that no terminal wraps.
fn fit(text: &str, columns: usize) -> String {
    text.chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{output, vertex};
    use super::*;

    fn at(second: &str) -> Timestamp {
        format!("2026-01-01T00:00:{second}Z").parse().unwrap()
    }

    #[test]
    fn pictures_are_drawn_over() {
        let mut board = Board::default();
        let mut tree = Tree::new(at("00"), false);
        board.take(vertex("a", ("01", Some("01")), |vertex| vertex.cached = true));
        board.take(vertex("b", ("01", None), |_| {}));
        board.take(output("b", "01.5", "\x1b[1mhello\n"));
        let first = tree.draw(&board, at("02"), (24, 40), false);
        assert_eq!(
            first,
            "[+] Building 2.0s (1/2)\r\n => CACHED step a                  0.0s\r\n => step b                         1.0s\r\n => => # 0.5 [1mhello\r\n"
        );
        board.take(vertex("b", ("01", Some("03")), |_| {}));
        let last = tree.draw(&board, at("03"), (24, 40), true);
        assert!(
            last.starts_with("\x1b[4A\r\x1b[J[+] Building 3.0s (2/2) FINISHED\r\n"),
            "{last:?}"
        );
        assert!(!last.contains("hello"), "{last:?}");
    }

    #[test]
    fn no_picture_is_higher_or_wider_than_the_screen() {
        let mut board = Board::default();
        for number in 0..50 {
            let name = "n".repeat(300);
            board
                .take(vertex(&number.to_string(), ("01", Some("02")), |vertex| vertex.name = name));
        }
        let text = Tree::new(at("00"), true).draw(&board, at("09"), (10, 30), false);
        assert!(text.lines().count() < 10, "{text}");
        let widest =
            text.lines().map(|line| line.replace(BLUE, "").replace(PLAIN, "").chars().count());
        assert!(widest.max().unwrap() <= 30);
        assert!(text.contains(" => ... "), "{text}");
    }
}

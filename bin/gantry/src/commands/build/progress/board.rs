//! What is known of a build's steps so far: gathered out of the daemon's messages, for whoever shows it.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_api::build::BuildStatus;
use gantry_api::build::progress::{Vertex, VertexLog};
use gantry_types::Timestamp;

/// Lines of a step's output that are kept, for its failure.
const TAIL_LINES: usize = 40;
/// The most bytes of a line that is kept.
const MAX_LINE: usize = 4 << 10;

/// All steps, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) steps: Vec<Step>,
}

/// A step.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    digest: String,
    pub(super) name: String,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) is_cached: bool,
    pub(super) error: String,
    /// The latest lines of its output, each with the seconds since its beginning.
    pub(super) tail: VecDeque<(f64, String)>,
    /// A line that has no end yet.
    open: Vec<u8>,
}

/// What a message was about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// A step is new, or has changed.
    Changed(usize),
    /// Its output has whole lines, each with the seconds since its beginning.
    Lines(usize, Vec<(f64, String)>),
}

impl Board {
    /// Takes a message in.
    pub(super) fn take(&mut self, status: BuildStatus) -> Vec<News> {
        let mut news = Vec::new();
        for vertex in status.vertexes {
            let ended = vertex.completed.is_some();
            let number = self.change(vertex);
            // What had no line feed at its end is a line all the same.
            if ended && !self.steps[number].open.is_empty() {
                let now = self.steps[number].ended;
                let lines = self.steps[number].lines(b"\n", now);
                news.push(News::Lines(number, lines));
            }
            news.push(News::Changed(number));
        }
        for log in status.logs {
            if let Some((number, lines)) = self.log(&log)
                && !lines.is_empty()
            {
                news.push(News::Lines(number, lines));
            }
        }
        news
    }

    fn change(&mut self, vertex: Vertex) -> usize {
        let moment = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let at = self.steps.iter().position(|step| step.digest == vertex.digest);
        let number = at.unwrap_or_else(|| {
            self.steps.push(Step { digest: vertex.digest.clone(), ..Step::default() });
            self.steps.len() - 1
        });
        let step = &mut self.steps[number];
        step.name = clean(&vertex.name);
        step.started = moment(vertex.started);
        step.ended = moment(vertex.completed);
        step.is_cached = vertex.cached;
        step.error = vertex.error;
        number
    }

    fn log(&mut self, log: &VertexLog) -> Option<(usize, Vec<(f64, String)>)> {
        let number = self.steps.iter().position(|step| step.digest == log.vertex)?;
        let bytes = STANDARD.decode(&log.data).ok()?;
        Some((number, self.steps[number].lines(&bytes, log.timestamp.parse().ok())))
    }

    pub(super) fn find(&self, digest: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.digest == digest)
    }
}

impl Step {
    /// Seconds from its beginning to its end, or to a moment while it goes on.
    pub(super) fn seconds(&self, now: Timestamp) -> f64 {
        let end = self.ended.unwrap_or(now);
        self.started.map_or(0.0, |started| end.since(started).as_secs_f64())
    }

    /// The lines that these bytes end.
    fn lines(&mut self, bytes: &[u8], at: Option<Timestamp>) -> Vec<(f64, String)> {
        let since =
            self.started.zip(at).map_or(0.0, |(started, at)| at.since(started).as_secs_f64());
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(piece);
            if self.open.ends_with(b"\n") || self.open.len() > MAX_LINE {
                let line = String::from_utf8_lossy(&self.open);
                let line = line.trim_end_matches(['\n', '\r']).to_owned();
                self.open.clear();
                if self.tail.len() == TAIL_LINES {
                    self.tail.pop_front();
                }
                self.tail.push_back((since, line.clone()));
                lines.push((since, line));
            }
        }
        lines
    }
}

/// Text without what would move the cursor.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message about one step.
    pub(in super::super) fn vertex(
        digest: &str,
        times: (&str, Option<&str>),
        change: impl FnOnce(&mut Vertex),
    ) -> BuildStatus {
        let mut vertex = Vertex {
            digest: digest.to_owned(),
            name: format!("step {digest}"),
            started: Some(format!("2026-01-01T00:00:{}Z", times.0)),
            completed: times.1.map(|end| format!("2026-01-01T00:00:{end}Z")),
            ..Vertex::default()
        };
        change(&mut vertex);
        BuildStatus { vertexes: vec![vertex], ..BuildStatus::default() }
    }

    pub(in super::super) fn output(digest: &str, at: &str, text: &str) -> BuildStatus {
        let log = VertexLog {
            vertex: digest.to_owned(),
            stream: 1,
            data: STANDARD.encode(text),
            timestamp: format!("2026-01-01T00:00:{at}Z"),
        };
        BuildStatus { logs: vec![log], ..BuildStatus::default() }
    }

    #[test]
    fn output_becomes_lines() {
        let mut board = Board::default();
        assert_eq!(board.take(vertex("a", ("01", None), |_| {})), [News::Changed(0)]);
        assert_eq!(
            board.take(output("a", "02.5", "one\ntw")),
            [News::Lines(0, vec![(1.5, "one".to_owned())])]
        );
        assert_eq!(board.take(output("a", "03", "")), []);
        let ended = board.take(vertex("a", ("01", Some("05")), |_| {}));
        assert_eq!(ended, [News::Lines(0, vec![(4.0, "tw".to_owned())]), News::Changed(0)]);
        assert_eq!(board.take(output("unknown", "06", "x\n")), []);
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        assert!((board.steps[0].seconds(now) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn names_move_no_cursor() {
        let mut board = Board::default();
        board.take(vertex("a", ("01", None), |vertex| vertex.name = "x\u{1b}[2Jy".to_owned()));
        assert_eq!(board.steps[0].name, "x[2Jy");
    }
}

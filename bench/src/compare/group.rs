//! Subjects that are timed in turns, and the bars between them.

use std::process::Command;
use std::time::Duration;

use super::time;
use crate::samples::Samples;

/// Long enough for the kernel to become idle.
const PAUSE: Duration = Duration::from_millis(150);

/// One thing to measure.
pub(crate) struct Subject {
    /// How the report names it.
    pub(crate) name: String,
    /// Builds the command of one run; the number is unique.
    pub(crate) command: Box<dyn Fn(u32) -> Command>,
    pub(crate) back_to_back: Samples,
    pub(crate) after_pause: Samples,
}

impl Subject {
    pub(crate) fn new(name: impl Into<String>, command: impl Fn(u32) -> Command + 'static) -> Self {
        Self {
            name: name.into(),
            command: Box::new(command),
            back_to_back: Samples::default(),
            after_pause: Samples::default(),
        }
    }
}

/// Subjects that do the same, with the bars between them.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) bars: Vec<Bar>,
}

/// A promise about the median of `ours`.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// At most `limit` times that of `peer`.
    Beside { ours: &'static str, peer: &'static str, limit: f64 },
    /// After a pause at most `limit` times its own back to back.
    Idle { ours: &'static str, limit: f64 },
}

impl Group {
    pub(crate) fn measure(&mut self, rounds: u32) {
        let mut number = 0;
        let mut next = || {
            number += 1;
            number
        };
        // Once for the caches, not counted.
        for subject in &self.subjects {
            time(&mut (subject.command)(next()));
        }
        for round in 0..rounds {
            eprint!("\r{}: round {} of {rounds} ", self.title, round + 1);
            let Turns { before, order } = Turns::of(round as usize, self.subjects.len());
            time(&mut (self.subjects[before].command)(next()));
            for &index in &order {
                let subject = &mut self.subjects[index];
                let took = time(&mut (subject.command)(next()));
                subject.back_to_back.add(took);
            }
            for &index in &order {
                let subject = &mut self.subjects[index];
                std::thread::sleep(PAUSE);
                let took = time(&mut (subject.command)(next()));
                subject.after_pause.add(took);
            }
        }
        eprintln!();
    }

    pub(crate) fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name == name)
    }
}

/// Whose turn it is when in a round. Everybody begins as often, and follows each of the others as often as anybody does, for what one
/// leaves behind (warm processors, work of the kernel's) is its follower's.
struct Turns {
    /// Whom the first one follows, not counted.
    before: usize,
    order: Vec<usize>,
}

impl Turns {
    /// A balanced Latin square: row by row as they are, then each read backwards, without which an odd number has no balance.
    fn of(round: usize, subjects: usize) -> Self {
        let count = subjects.max(1);
        // 0, 1, -1, 2, -2 and so on: neighbours are each distance apart once.
        let step = |at: usize| if at % 2 == 1 { at.div_ceil(2) } else { count - at / 2 };
        let mut order: Vec<usize> = (0..subjects).map(|at| (step(at) + round) % count).collect();
        if (round / count) % 2 == 1 {
            order.reverse();
        }
        let first = order.first().copied().unwrap_or_default();
        let distance = 1 + (round / (2 * count)) % (count - 1).max(1);
        Self { before: (first + distance) % count, order }
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn everybody_begins_and_follows_each_other_as_often() {
        for subjects in 2..7 {
            let rounds = 2 * subjects * (subjects - 1);
            let mut begins = vec![0; subjects];
            let mut follows = vec![vec![0; subjects]; subjects];
            for round in 0..rounds {
                let Turns { before, order } = Turns::of(round, subjects);
                begins[order[0]] += 1;
                follows[order[0]][before] += 1;
                for two in order.windows(2) {
                    follows[two[1]][two[0]] += 1;
                }
            }
            assert_eq!(begins, vec![rounds / subjects; subjects]);
            for (one, followed) in follows.iter().enumerate() {
                for (other, &times) in followed.iter().enumerate() {
                    let expected = if one == other { 0 } else { 2 * subjects };
                    assert_eq!(times, expected, "{one} after {other} of {subjects}");
                }
            }
        }
    }

    #[test]
    fn one_alone_follows_itself() {
        let Turns { before, order } = Turns::of(5, 1);
        assert_eq!((before, order), (0, vec![0]));
    }
}

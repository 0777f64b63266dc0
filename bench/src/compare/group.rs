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
            let order = order(round as usize, self.subjects.len());
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

/// Whose turn it is when in this round: everybody begins and ends rounds, and follows each neighbour, as often as the
/// others, for what one leaves behind (warm processors, work of the kernel's) is its follower's.
fn order(round: usize, subjects: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..subjects).collect();
    order.rotate_left(round % subjects.max(1));
    if (round / subjects.max(1)) % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn everybody_begins_and_ends_as_often() {
        let rounds: Vec<_> = (0..6).map(|round| order(round, 3)).collect();
        for index in 0..3 {
            assert_eq!(rounds.iter().filter(|order| order[0] == index).count(), 2);
            assert_eq!(rounds.iter().filter(|order| order[2] == index).count(), 2);
            let followed = rounds
                .iter()
                .filter(|order| order.windows(2).any(|two| two == [index, (index + 1) % 3]));
            assert_eq!(followed.count(), 2);
        }
    }
}

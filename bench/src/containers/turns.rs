//! Rounds in which every engine has its turn, each time another one first.

use std::time::Duration;

use super::engines::Engine;
use crate::compare::figures::{Figures, Limit};
use crate::samples::Samples;

/// What is measured.
pub(super) struct Turns<'a> {
    pub(super) title: &'static str,
    pub(super) columns: &'static [&'static str],
    /// What ours may be of the faster peer's, for each column.
    pub(super) most: f64,
    /// What an engine does in its turn: a time for each column.
    pub(super) turn: &'a dyn Fn(Engine<'_>, u32) -> Vec<Duration>,
}

impl Turns<'_> {
    /// Goes through the rounds, and one more before them that is not counted: it is for the caches.
    pub(super) fn figures(&self, engines: &[Engine<'_>], rounds: u32) -> Figures {
        let mut samples = vec![vec![Samples::default(); self.columns.len()]; engines.len()];
        for round in 0..=rounds {
            for turn in 0..engines.len() {
                let at = (round as usize + turn) % engines.len();
                eprint!("\r{}: round {round} of {rounds}, {} ", self.title, engines[at].name());
                let times = (self.turn)(engines[at], round);
                for (samples, took) in samples[at].iter_mut().zip(times) {
                    if round > 0 {
                        samples.add(took);
                    }
                }
            }
        }
        eprintln!();
        let rows: Vec<(String, Vec<f64>)> = engines
            .iter()
            .zip(&samples)
            .map(|(engine, samples)| {
                (engine.name().to_owned(), samples.iter().map(Samples::median_ms).collect())
            })
            .collect();
        let limits = (0..self.columns.len()).map(|column| self.limit(&rows, column)).collect();
        let title = format!("{}, ms", self.title);
        Figures { title, columns: self.columns.to_vec(), rows, limits }
    }

    fn limit(&self, rows: &[(String, Vec<f64>)], column: usize) -> Limit {
        let (ours, peers) = rows.split_at(1);
        let peer = peers.iter().map(|(_, times)| times[column]).fold(f64::NAN, f64::min);
        let (what, most) = (self.columns[column], self.most);
        let promise = format!("{what} ≤ {most} × the faster peer");
        Limit::new(promise, ours[0].1[column] / peer, most)
    }
}

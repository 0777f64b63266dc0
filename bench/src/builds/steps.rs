//! Twelve steps and fifty commands.

use std::path::Path;

use super::builder::Builder;
use super::context;
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::samples::Samples;

/// What is timed, in the order of a round.
const STEPS: [&str; 4] = ["12 steps", "cached", "one file changed", "50 × RUN true"];

pub(super) fn figures(builders: &[Box<dyn Builder + '_>], folder: &Path, rounds: u32) -> Figures {
    let (twelve, fifty) = (context::twelve(folder), context::fifty(folder));
    let mut samples = vec![vec![Samples::default(); STEPS.len()]; builders.len()];
    // No two builds find the same change.
    let mut changes = 0;
    for round in 0..rounds {
        for (builder, samples) in builders.iter().zip(&mut samples) {
            eprint!("\rbuilds: round {} of {rounds}, {}  ", round + 1, builder.name());
            let known = ["-t", "bench-twelve"];
            let fresh = ["--no-cache", "-t", "bench-twelve"];
            let mut add = |step: usize, took| samples[step].add(took);
            add(0, time(&mut builder.build(&fresh, &twelve)));
            add(1, time(&mut builder.build(&known, &twelve)));
            changes += 1;
            context::change(&twelve, changes);
            add(2, time(&mut builder.build(&known, &twelve)));
            add(3, time(&mut builder.build(&["--no-cache", "-t", "bench-fifty"], &fifty)));
        }
    }
    eprintln!();
    let medians = |samples: &Vec<Samples>| samples.iter().map(Samples::median_ms).collect();
    let rows: Vec<(String, Vec<f64>)> = builders
        .iter()
        .zip(&samples)
        .map(|(builder, samples)| (builder.name().to_owned(), medians(samples)))
        .collect();
    Figures {
        title: "steps: medians, ms".to_owned(),
        columns: STEPS.to_vec(),
        limits: limits(&rows),
        rows,
    }
}

fn limits(rows: &[(String, Vec<f64>)]) -> Vec<Limit> {
    let beside = |step: usize, peer: &str, most: f64| {
        let figure = |name: &str| {
            rows.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, times)| times[step])
        };
        let promise = format!("{} ≤ {most} × {peer}", STEPS[step]);
        Limit::new(promise, figure("gantry") / figure(peer), most)
    };
    vec![
        beside(0, "buildkit", 0.35),
        beside(0, "buildah", 0.13),
        beside(1, "buildkit", 0.2),
        beside(1, "buildah", 0.04),
        beside(2, "buildkit", 0.2),
        beside(3, "buildah", 0.15),
    ]
}

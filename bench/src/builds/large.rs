//! A layer of a gigabyte: how long after its command it is in the engine's store, and how long it takes to a registry.
//!
//! What the command itself takes is the same for all: it is measured alone, as the same command in a build whose file is on no layer
//! (a tmpfs would be faster), and taken away.

use std::path::Path;
use std::time::Duration;

use gantry_testkit::Registry;

use super::builder::Builder;
use super::context;
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::memory;
use crate::samples::Samples;

/// Bytes of the layer.
const BYTES: u64 = 1 << 30;
const IMAGE: &str = "bench-large";
const STEPS: [&str; 4] = ["build", "of it, writing the file", "export", "push"];

pub(super) fn figures(builders: &[Box<dyn Builder + '_>], folder: &Path, rounds: u32) -> Figures {
    let root = context::large(folder, BYTES);
    let mut samples = vec![vec![Samples::default(); STEPS.len()]; builders.len()];
    for round in 0..rounds.max(1) {
        for (builder, samples) in builders.iter().zip(&mut samples) {
            eprint!(
                "\rbuilds: large layer, round {} of {}, {}  ",
                round + 1,
                rounds.max(1),
                builder.name()
            );
            let took = one(builder.as_ref(), folder, &root);
            for (samples, took) in samples.iter_mut().zip(took) {
                samples.add(took);
            }
        }
    }
    eprintln!();
    let rows: Vec<(String, Vec<f64>)> = builders
        .iter()
        .zip(&samples)
        .map(|(builder, samples)| {
            (builder.name().to_owned(), samples.iter().map(Samples::median_ms).collect())
        })
        .collect();
    let figure = |name: &str, step: usize| {
        rows.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, times)| times[step])
    };
    let limits = vec![
        Limit::new("export ≤ 0.1 × buildah", figure("gantry", 2) / figure("buildah", 2), 0.1),
        Limit::new("push ≤ 0.5 × buildah", figure("gantry", 3) / figure("buildah", 3), 0.5),
    ];
    Figures {
        title: "a layer of 1 GiB: medians, ms".to_owned(),
        columns: STEPS.to_vec(),
        limits,
        rows,
    }
}

fn one(builder: &dyn Builder, folder: &Path, root: &Path) -> [Duration; 4] {
    let bytes = format!("BYTES={BYTES}");
    let build = time(&mut builder.build(&["--no-cache", "--build-arg", &bytes, "-t", IMAGE], root));
    let file = folder.join("written-alone");
    let mut alone = std::process::Command::new("busybox");
    alone.args(["sh", "-c", &format!("head -c {BYTES} /dev/urandom > {}", file.display())]);
    let written = time(&mut alone);
    std::fs::remove_file(&file).expect("remove what was written alone");
    // How fast a disk takes what the registry gets is no builder's merit.
    let registry = Registry::open_in(memory::folder());
    let elsewhere = format!("{}/{IMAGE}:1", registry.address());
    time(&mut builder.build(&["--build-arg", &bytes, "-t", &elsewhere], root));
    let push = time(&mut builder.push(&elsewhere));
    time(&mut builder.remove(&elsewhere));
    time(&mut builder.remove(IMAGE));
    [build, written, build.saturating_sub(written), push]
}

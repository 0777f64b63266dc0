//! A context of a hundred thousand files of which none has changed, beside a `find` that looks at each of them; and the daemon's
//! memory at its highest.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::builder::{Builder, Gantry};
use super::context;
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::images::peak_mb;
use crate::samples::Samples;

const FILES: usize = 100_000;
/// What the daemon's memory may be at its highest, in MB.
const PEAK_MB: f64 = 100.0;

pub(super) fn figures(folder: &Path, rounds: u32) -> Vec<Figures> {
    let root = context::crowd(folder, FILES);
    // A daemon of its own: what is highest in another's memory may be from something else.
    let gantry = Gantry::start();
    let first = time(&mut gantry.build(&["-t", "bench-crowd"], &root));
    let (mut found, mut built) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        eprint!("\rbuilds: crowd, round {} of {rounds}  ", round + 1);
        let mut find = Command::new("find");
        find.arg(&root).args(["-printf", "%p %s %T@ %C@ %m %i\\n"]);
        found.add(time(&mut find));
        built.add(time(&mut gantry.build(&["-t", "bench-crowd"], &root)));
    }
    eprintln!();
    let peak = peak_mb(gantry.daemon().pid());
    fs::remove_dir_all(&root).expect("remove the crowd");
    let ratio = built.median_ms() / found.median_ms();
    let times = Figures {
        title: format!("a context of {FILES} small files: medians, ms"),
        columns: vec!["first build", "unchanged", "find -printf"],
        rows: vec![(
            "gantry".to_owned(),
            vec![first.as_secs_f64() * 1e3, built.median_ms(), found.median_ms()],
        )],
        limits: vec![Limit::new("unchanged ≤ 3 × find -printf", ratio, 3.0)],
    };
    let memory = Figures {
        title: "the daemon's highest resident memory with it, MB".to_owned(),
        columns: vec!["peak"],
        rows: vec![("gantryd".to_owned(), vec![peak])],
        limits: vec![Limit::new(format!("peak ≤ {PEAK_MB} MB"), peak, PEAK_MB)],
    };
    vec![times, memory]
}

//! A thousand containers that run at the same time.

use gantry_testkit::Daemon;

use crate::clock::time;
use crate::compare::figures::{Figures, Limit};
use crate::networks::site::Gantry;
use crate::processes::{KIB_PER_MB, kib};
use crate::samples::Samples;

const CONTAINERS: usize = 1000;
/// How many at each end are looked at.
const SOME: usize = 25;
const MOST_SLOWER: f64 = 1.5;
const MOST_MB: f64 = 60.0;

pub(super) fn figures() -> Figures {
    let gantry = Gantry::start();
    let (mut first, mut last) = (Samples::default(), Samples::default());
    for number in 0..=CONTAINERS {
        eprint!("\rthousand: {number} of {CONTAINERS} ");
        let name = name(number);
        let run = ["run", "-d", "--network", "none", "--name", &name, "busybox", "sleep", "86400"];
        let took = time(&mut gantry.command(&run));
        // The very first one is for the caches.
        if (1..=SOME).contains(&number) {
            first.add(took);
        } else if number > CONTAINERS - SOME {
            last.add(took);
        }
    }
    eprintln!();
    assert_eq!(running(&gantry.daemon), CONTAINERS + 1, "some have ended");
    let memory_mb = kib(&gantry.daemon.pid().to_string(), "Rss:") / KIB_PER_MB;
    let names: Vec<String> = (0..=CONTAINERS).map(name).collect();
    for names in names.chunks(50) {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        gantry.daemon.remove(&words);
    }
    let (first, last) = (first.median_ms(), last.median_ms());
    Figures {
        title: format!(
            "{CONTAINERS} containers that run: `run -d --network none`, medians of {SOME}, ms; the daemon's RSS, MB"
        ),
        columns: vec!["the first", "the last", "the daemon"],
        rows: vec![("gantry".to_owned(), vec![first, last, memory_mb])],
        limits: vec![
            Limit::new(format!("the last ≤ {MOST_SLOWER} × the first"), last / first, MOST_SLOWER),
            Limit::new(format!("the daemon ≤ {MOST_MB} MB"), memory_mb, MOST_MB),
        ],
    }
}

fn name(number: usize) -> String {
    format!("one-of-many-{number}")
}

fn running(daemon: &Daemon) -> usize {
    let list = daemon.http("GET", "/containers/json", &[]).json();
    list.as_array().map_or(0, Vec::len)
}

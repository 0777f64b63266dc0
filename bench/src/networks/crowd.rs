//! Whether the 500th container on a network starts as fast as the first.

use super::median;
use super::site::Gantry;
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};

const CONTAINERS: usize = 500;
/// How many at each end are looked at.
const SOME: usize = 25;
/// The last may take so many times as long.
const LIMIT: f64 = 1.5;

pub(super) fn figures() -> Figures {
    let gantry = Gantry::start();
    let mut times = Vec::with_capacity(CONTAINERS);
    for number in 0..=CONTAINERS {
        eprint!("\rcrowd: {number} of {CONTAINERS} ");
        let name = format!("c{number}");
        let words = ["run", "-d", "--name", &name, "busybox", "sleep", "86400"];
        let took = time(&mut gantry.command(&words)).as_secs_f64() * 1e3;
        // The very first one is for the caches.
        if number > 0 {
            times.push(took);
        }
    }
    eprintln!();
    for names in (0..=CONTAINERS).map(|at| format!("c{at}")).collect::<Vec<_>>().chunks(50) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        time(&mut gantry.command(&[&["rm", "-f"], &names[..]].concat()));
    }
    let (first, last) = (median(&times[..SOME]), median(&times[times.len() - SOME..]));
    Figures {
        title: format!("`run -d` on one network, medians of {SOME}, ms"),
        columns: vec!["the first", "up to the 500th"],
        rows: vec![("gantry".to_owned(), vec![first, last])],
        limits: vec![Limit::new(format!("the 500th ≤ {LIMIT} × the first"), last / first, LIMIT)],
    }
}

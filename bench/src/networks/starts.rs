//! What a network adds to `run --rm`, and what it takes to connect a running container to one and to part them again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::median;
use super::site::{Gantry, Peer};
use crate::clock::time;
use crate::compare::figures::{Figures, Limit};

const PORTS: u16 = 200;
/// Turns of ours in one round: they cost little, and what is added is small beside the noise.
const TURNS: usize = 3;
/// What follows an engine's command is its own business: its clean-up, and the kernel's of devices and namespaces.
const PAUSE: Duration = Duration::from_millis(150);
const PEER_PAUSE: Duration = Duration::from_millis(600);
/// What is timed: a name, and the flags of `run`.
const COLUMNS: [&str; 4] = ["none", "bridge", "with -p", "with 200 -p"];

fn flags(column: usize) -> Vec<String> {
    let publish = |count: u16| -> Vec<String> {
        (0..count).flat_map(|at| ["-p".to_owned(), format!("{}:{}", 8000 + at, 80 + at)]).collect()
    };
    match column {
        0 => ["--network", "none"].map(str::to_owned).to_vec(),
        1 => Vec::new(),
        2 => publish(1),
        _ => publish(PORTS),
    }
}

type Engine<'a> = (&'static str, Box<dyn Fn(&[&str]) -> Command + 'a>);

fn engines<'a>(gantry: &'a Gantry, peer: Option<&'a Peer>) -> Vec<Engine<'a>> {
    let mut engines: Vec<Engine<'a>> =
        vec![("gantry", Box::new(|arguments| gantry.command(arguments)))];
    if let Some(peer) = peer {
        engines.push(("podman", Box::new(|arguments| peer.command(arguments))));
    }
    engines
}

fn run(engine: &Engine<'_>, column: usize) -> f64 {
    let flags = flags(column);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let command = [&["run", "--rm"], &flags[..], &["busybox", "true"]].concat();
    timed(engine, &command)
}

/// In ms; afterwards the machine is quiet again.
fn timed(engine: &Engine<'_>, arguments: &[&str]) -> f64 {
    let took = time(&mut (engine.1)(arguments)).as_secs_f64() * 1e3;
    std::thread::sleep(if engine.0 == "gantry" { PAUSE } else { PEER_PAUSE });
    took
}

/// Medians in ms, and of each column what it adds to the one that it is based on.
pub(super) fn figures(folder: &Path, rounds: u32) -> Figures {
    let (gantry, peer) = (Gantry::start(), Peer::prepare(folder));
    let engines = engines(&gantry, peer.as_ref());
    let mut times = vec![vec![Vec::new(); COLUMNS.len()]; engines.len()];
    for round in 0..=rounds {
        for (engine, times) in engines.iter().zip(&mut times) {
            let is_ours = engine.0 == "gantry";
            // The peer needs seconds for 200 ports: once in a while is enough.
            let is_turn = |column| column < 3 || is_ours || round % 10 == 1;
            eprint!("\rstarts: round {round} of {rounds}, {} ", engine.0);
            for turn in 0..if is_ours { TURNS } else { 1 } {
                // Each column comes first in its turn.
                let order = (0..COLUMNS.len()).cycle().skip(round as usize + turn);
                for column in order.take(COLUMNS.len()).filter(|column| is_turn(*column)) {
                    let took = run(engine, column);
                    // The first round is for the caches.
                    if round > 0 {
                        times[column].push(took);
                    }
                }
            }
        }
    }
    eprintln!();
    let rows: Vec<(String, Vec<f64>)> = engines
        .iter()
        .zip(&times)
        .map(|(engine, times)| (engine.0.to_owned(), row(times)))
        .collect();
    let peer = rows.get(1).map_or_else(|| vec![f64::NAN; 7], |row| row.1.clone());
    let ours = rows[0].1.clone();
    // What one adds may be lost in the noise; then there is nothing to compare.
    let ratio_of_ports = if ours[5] > 0.0 { ours[6] / ours[5] } else { f64::NAN };
    let limits = vec![
        Limit::new("a bridge adds ≤ 0.03 × what it adds to podman", ours[4] / peer[4], 0.03),
        Limit::new("a port adds ≤ 0.03 × what it adds to podman", ours[5] / peer[5], 0.03),
        Limit::new("a start with 200 ports ≤ 5 × one with one", ours[3] / ours[2], 5.0),
        Limit::new(
            "200 ports add ≤ 5 × what one may add (0.03 × podman's)",
            ours[6] / (0.03 * peer[5]),
            5.0,
        ),
        Limit::new("200 ports add ≤ 5 × what one adds", ratio_of_ports, 5.0),
    ];
    let added = ["a bridge adds", "a port adds", "200 ports add"];
    let columns = COLUMNS.into_iter().chain(added).collect();
    Figures { title: "`run --rm busybox true`, ms".to_owned(), columns, rows, limits }
}

fn row(times: &[Vec<f64>]) -> Vec<f64> {
    let mut row: Vec<f64> = times.iter().map(|times| median(times)).collect();
    // Within a round: the machine's moods are the same then.
    for (with, without) in [(1, 0), (2, 1), (3, 1)] {
        let added: Vec<f64> =
            times[with].iter().zip(&times[without]).map(|(with, without)| with - without).collect();
        row.push(if times[with].len() == times[without].len() {
            median(&added)
        } else {
            row[with] - row[without]
        });
    }
    row
}

/// `network connect` and `network disconnect` of a running container.
pub(super) fn connections(folder: &Path, rounds: u32) -> Figures {
    let (gantry, peer) = (Gantry::start(), Peer::prepare(folder));
    let engines = engines(&gantry, peer.as_ref());
    for engine in &engines {
        time(&mut (engine.1)(&["network", "create", "second"]));
        time(&mut (engine.1)(&["run", "-d", "--name", "one", "busybox", "sleep", "86400"]));
    }
    let mut times = vec![[Vec::new(), Vec::new(), Vec::new()]; engines.len()];
    for round in 0..rounds {
        for (engine, times) in engines.iter().zip(&mut times) {
            eprint!("\rconnect: round {} of {rounds}, {} ", round + 1, engine.0);
            let one = timed(engine, &["network", "connect", "second", "one"]);
            let two = timed(engine, &["network", "disconnect", "second", "one"]);
            for (times, took) in times.iter_mut().zip([one, two, one + two]) {
                times.push(took);
            }
        }
    }
    eprintln!();
    for engine in &engines {
        time(&mut (engine.1)(&["rm", "-f", "one"]));
        time(&mut (engine.1)(&["network", "rm", "second"]));
    }
    let rows: Vec<(String, Vec<f64>)> = engines
        .iter()
        .zip(&times)
        .map(|(engine, times)| {
            (engine.0.to_owned(), times.iter().map(|times| median(times)).collect())
        })
        .collect();
    let peer = rows.get(1).map_or(f64::NAN, |row| row.1[2]);
    let promise = "connect and disconnect ≤ 0.1 × podman's";
    let limits = vec![Limit::new(promise, rows[0].1[2] / peer, 0.1)];
    let columns = vec!["connect", "disconnect", "both"];
    let title = "a running container and a second network, ms".to_owned();
    Figures { title, columns, rows, limits }
}

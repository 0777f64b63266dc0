//! Listing containers that have ended, through the API, beside the cheapest call that there is.

use std::path::Path;

use super::crowd::starts;
use super::engines::{Engine, Engines};
use crate::compare::figures::{Figures, Limit};
use crate::connection::Connection;
use crate::samples::Samples;

const FEW: usize = 100;
const MANY: usize = 1000;
const CALLS: u32 = 100;

/// Of dockerd's time for [`FEW`].
const MOST_BESIDE: f64 = 0.02;
/// How many times as long as a ping [`MANY`] may take.
const MOST_PINGS: f64 = 40.0;

/// Medians in ms.
pub(super) fn figures(engines: &Engines) -> Figures {
    let gantry = Engine::Gantry(&engines.gantry);
    let socket = engines.gantry.daemon.socket();
    run_to_their_end(gantry, 0..FEW);
    let (ping, few) = calls(&socket, FEW);
    run_to_their_end(gantry, FEW..MANY);
    let (_, many) = calls(&socket, MANY);
    remove(gantry, MANY);
    let mut rows = vec![("gantry".to_owned(), vec![ping, few, many])];
    let mut peer = f64::NAN;
    if let Some(dockerd) = &engines.dockerd {
        let engine = Engine::Docker(dockerd);
        run_to_their_end(engine, 0..FEW);
        let (ping, few) = calls(&dockerd.socket(), FEW);
        remove(engine, FEW);
        rows.push(("docker".to_owned(), vec![ping, few, f64::NAN]));
        peer = few;
    }
    let beside = format!("{FEW} ≤ {MOST_BESIDE} × docker");
    let pings = format!("{MANY} ≤ {MOST_PINGS} × _ping");
    Figures {
        title: "a list of containers that have ended, over one connection, ms".to_owned(),
        columns: vec!["_ping", "100", "1,000"],
        rows,
        limits: vec![
            Limit::new(beside, few / peer, MOST_BESIDE),
            Limit::new(pings, many / ping, MOST_PINGS),
        ],
    }
}

fn name(number: usize) -> String {
    format!("ended-{number}")
}

fn run_to_their_end(engine: Engine<'_>, numbers: std::ops::Range<usize>) {
    let names: Vec<String> = numbers.map(name).collect();
    eprint!("\rlists: {} makes {} ", engine.name(), names.len());
    starts(&names, 4, |name| {
        engine.command(&["run", "--network", "none", "--name", name, "busybox", "true"])
    });
    eprintln!();
}

fn remove(engine: Engine<'_>, count: usize) {
    let names: Vec<String> = (0..count).map(name).collect();
    for names in names.chunks(100) {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        engine.timed(&[&["rm"], &words[..]].concat());
    }
}

/// A ping and a list.
fn calls(socket: &Path, count: usize) -> (f64, f64) {
    let mut connection = Connection::open(socket);
    let (mut ping, mut list) = (Samples::default(), Samples::default());
    for _ in 0..CALLS {
        ping.add(connection.call("/_ping").0);
        let (took, bytes) = connection.call("/containers/json?all=1");
        assert!(bytes > count * 200, "the list has only {bytes} bytes");
        list.add(took);
    }
    (ping.median_ms(), list.median_ms())
}

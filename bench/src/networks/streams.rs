//! One TCP stream, by iperf3.

use super::paths::{Caller, STREAM_PORT, Server, Side};
use super::{at_least, in_turn, median};
use crate::compare::figures::Figures;

const SECONDS: &str = "1.5";
const CALLERS: [(Caller, &str); 4] = [
    (Caller::Neighbour, "container to container"),
    (Caller::Outside, "published port, from outside"),
    (Caller::Loopback, "published port, on 127.0.0.1"),
    (Caller::Loopback6, "published port, on ::1 (relayed)"),
];

pub(super) fn figures(rounds: u32) -> Figures {
    let sides = [Side::gantry(), Side::by_hand()];
    let port = STREAM_PORT.to_string();
    let servers = sides.each_ref().map(|side| {
        Server::start(side, side.on_server("iperf3").args(["-s", "-p", &port]), STREAM_PORT)
    });
    let mut rates = vec![vec![Vec::new(); sides.len()]; CALLERS.len()];
    for round in 0..rounds {
        eprint!("\rstreams: round {} of {rounds} ", round + 1);
        for ((caller, _), rates) in CALLERS.iter().zip(&mut rates) {
            for turn in in_turn(sides.len(), round) {
                let side = &sides[turn];
                if side.name() == "gantry" || *caller != Caller::Loopback6 {
                    rates[turn].push(gbits(side, *caller));
                }
            }
        }
    }
    eprintln!();
    drop(servers);
    let rows: Vec<(String, Vec<f64>)> = CALLERS
        .iter()
        .zip(&rates)
        .map(|((_, name), rates)| {
            ((*name).to_owned(), rates.iter().map(|rates| median(rates)).collect())
        })
        .collect();
    let limits = [0.98, 0.95, 0.95]
        .into_iter()
        .zip(&rows)
        .map(|(least, (name, rates))| at_least(name, rates[0], rates[1], least))
        .collect();
    let title = "one TCP stream, Gbit/s".to_owned();
    Figures { title, columns: vec!["gantry", "by hand"], rows, limits }
}

fn gbits(side: &Side, caller: Caller) -> f64 {
    let (address, port) = (side.address(caller), STREAM_PORT.to_string());
    let words = ["-c", address, "-p", &port, "-t", SECONDS, "-J"];
    let output = side.on_caller(caller, "iperf3").args(words).output().expect("run iperf3");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let rate = document["end"]["sum_received"]["bits_per_second"].as_f64();
    rate.unwrap_or_else(|| panic!("iperf3 to {address}: {document}")) / 1e9
}

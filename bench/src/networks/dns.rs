//! Answers per second that one container gets for a neighbour's name, by dnsperf in its namespace; beside dnsmasq in another one.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};

use gantry_testkit::{NetworkHost, poll};

use super::site::Gantry;
use super::{at_least, medians};
use crate::compare::figures::Figures;

const SERVER: &str = "127.0.0.11";
const SECONDS: &str = "1";

/// dnsmasq, with a name for the same question; killed at the end.
struct Peer {
    host: NetworkHost,
    process: Child,
}

impl Peer {
    fn start() -> Self {
        let host = NetworkHost::new();
        let process = host
            .command("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
            .args(["--user=root", "--pid-file=", "--bind-interfaces", "--host-record=web,10.0.0.1"])
            .arg(format!("--listen-address={SERVER}"))
            .spawn()
            .expect("run dnsmasq");
        Self { host, process }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().unwrap_or_default();
        drop(self.process.wait());
    }
}

pub(super) fn figures(folder: &Path, rounds: u32) -> Figures {
    let questions = folder.join("questions");
    let mut file = fs::File::create(&questions).expect("make the list of questions");
    file.write_all(b"web A\n").expect("write the list of questions");
    let (gantry, peer) = (Gantry::start(), Peer::start());
    gantry.daemon.ok(&["network", "create", "lan"]);
    let _web = gantry.idle(&["--network", "lan", "--name", "web"]);
    let asker = gantry.idle(&["--network", "lan"]);
    let ours = || asker.command("dnsperf");
    let theirs = || peer.host.command("dnsperf");
    poll("dnsmasq answers", || (rate(theirs(), &questions) > 0.0).then_some(()));
    let mut rates = Vec::new();
    for round in 0..rounds {
        eprint!("\rdns: round {} of {rounds} ", round + 1);
        rates.push((rate(ours(), &questions) / 1e3, rate(theirs(), &questions) / 1e3));
    }
    eprintln!();
    let limits = vec![at_least("answers to one container", &rates, 1.0)];
    let title = "answers to questions for a neighbour's name, thousands per second".to_owned();
    let rows = vec![("one container, dnsperf".to_owned(), medians(&rates))];
    Figures { title, columns: vec!["gantry", "dnsmasq"], rows, limits }
}

/// Questions per second that were answered.
fn rate(mut dnsperf: Command, questions: &Path) -> f64 {
    let output = dnsperf
        .args(["-s", SERVER, "-l", SECONDS, "-t", "1", "-d"])
        .arg(questions)
        .output()
        .expect("run dnsperf");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Queries per second:"));
    line.and_then(|rate| rate.trim().parse().ok()).unwrap_or(0.0)
}

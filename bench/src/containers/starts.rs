//! From a daemon's start to its first answer: ours with a hundred containers that run, dockerd with none.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use gantry_testkit::{NetworkHost, poll};

use super::crowd::starts;
use super::engines::archive;
use crate::compare::figures::{Figures, Limit};
use crate::compare::peer::Dockerd;
use crate::connection::Connection;
use crate::networks::site::Gantry;
use crate::samples::Samples;

const CONTAINERS: usize = 100;
const MOST: f64 = 0.15;
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn figures(folder: &Path, rounds: u32) -> Figures {
    let gantry = Gantry::start();
    let names: Vec<String> = (0..CONTAINERS).map(|at| format!("kept-{at}")).collect();
    starts(&names, 4, |name| {
        gantry.command(&["run", "-d", "--name", name, "busybox", "sleep", "86400"])
    });
    let mut dockerd = Dockerd::start_on(Some(NetworkHost::new()), folder, &archive(folder));
    let (mut ours, mut peer) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        eprint!("\rstarts of daemons: round {} of {rounds} ", round + 1);
        gantry.daemon.stop();
        thread::sleep(PAUSE);
        let begin = Instant::now();
        gantry.daemon.start_again();
        ours.add(begin.elapsed());
        thread::sleep(PAUSE);
        if let Some(dockerd) = &mut dockerd {
            dockerd.stop();
            thread::sleep(PAUSE);
            let begin = Instant::now();
            dockerd.launch();
            await_answer(&dockerd.socket());
            peer.add(begin.elapsed());
            thread::sleep(PAUSE);
        }
    }
    eprintln!();
    for names in names.chunks(50) {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        gantry.daemon.remove(&words);
    }
    let (ours, peer) = (ours.median_ms(), peer.median_ms());
    let mut rows = vec![(format!("gantryd with {CONTAINERS} that run"), vec![ours])];
    if dockerd.is_some() {
        rows.push(("dockerd with none".to_owned(), vec![peer]));
    }
    Figures {
        title: "from a daemon's start to its first answer, ms".to_owned(),
        columns: vec!["time"],
        rows,
        limits: vec![Limit::new(format!("gantryd ≤ {MOST} × dockerd"), ours / peer, MOST)],
    }
}

fn await_answer(socket: &Path) {
    poll("dockerd to listen", || UnixStream::connect(socket).ok());
    Connection::open(socket).call("/_ping");
}

//! Requests per second to a web server behind a published port: nginx, called by wrk with 60 connections.

use std::fs;
use std::path::Path;

use super::paths::{Caller, Server, Side, WEB_PORT};
use super::{at_least, in_turn, median};
use crate::compare::figures::Figures;

const CALLERS: [(Caller, &str); 3] = [
    (Caller::Outside, "from outside"),
    (Caller::Loopback, "on 127.0.0.1"),
    (Caller::Loopback6, "on ::1 (relayed)"),
];
const KINDS: [(&str, &[&str]); 2] =
    [("kept connections", &[]), ("new connections", &["-H", "Connection: close"])];
const SECONDS: &str = "1s";

/// Ended connections are remembered for two minutes, which would fill the tables long before a measurement ends.
const TABLES: &str = "echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait";

pub(super) fn figures(folder: &Path, rounds: u32) -> Figures {
    let sides = [Side::gantry(), Side::by_hand()];
    let servers = sides.each_ref().map(|side| nginx(side, folder));
    for side in &sides {
        let done = side.on_caller(Caller::Loopback, "sh").args(["-c", TABLES]).status();
        assert!(done.is_ok_and(|status| status.success()), "the host's tables stay as they are");
    }
    let mut rates = vec![vec![Vec::new(); sides.len()]; CALLERS.len() * KINDS.len()];
    let all: Vec<_> = CALLERS
        .iter()
        .flat_map(|caller| KINDS.iter().map(move |kind| (caller.0, kind.1)))
        .zip(&mut rates)
        .collect();
    // Last what is relayed: the server remembers its connections for a minute, as ones from the host's address in the bridge, which those
    // to 127.0.0.1 come from as well.
    let (led, relayed): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|((caller, _), _)| *caller != Caller::Loopback6);
    for mut all in [led, relayed] {
        for round in 0..rounds {
            eprint!("\rrequests: round {} of {rounds} ", round + 1);
            for ((caller, flags), rates) in &mut all {
                for turn in in_turn(sides.len(), round) {
                    let side = &sides[turn];
                    if side.name() == "gantry" || *caller != Caller::Loopback6 {
                        rates[turn].push(thousands(side, *caller, flags));
                    }
                }
            }
        }
    }
    eprintln!();
    drop(servers);
    let names = CALLERS
        .iter()
        .flat_map(|caller| KINDS.iter().map(move |kind| format!("{}, {}", caller.1, kind.0)));
    let rows: Vec<(String, Vec<f64>)> = names
        .zip(&rates)
        .map(|(name, rates)| (name, rates.iter().map(|rates| median(rates)).collect()))
        .collect();
    let limits =
        rows.iter().take(4).map(|(name, rates)| at_least(name, rates[0], rates[1], 0.95)).collect();
    let title = "requests through a published port, 60 clients, thousands per second".to_owned();
    Figures { title, columns: vec!["gantry", "by hand"], rows, limits }
}

fn nginx(side: &Side, folder: &Path) -> Server {
    let folder = folder.join(side.name().replace(' ', "-"));
    fs::create_dir_all(&folder).expect("make nginx's folder");
    let at = folder.display();
    let config = format!(
        "daemon off; worker_processes 2; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {at}/body;
  proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi;
  scgi_temp_path {at}/scgi;
  server {{ listen {WEB_PORT} backlog=4096; location / {{ return 200 'ok'; }} }} }}"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, config).expect("write nginx's configuration");
    let mut command = side.on_server("nginx");
    command.arg("-c").arg(&path);
    Server::start(side, &mut command, WEB_PORT)
}

fn thousands(side: &Side, caller: Caller, flags: &[&str]) -> f64 {
    let host = side.address(caller);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("http://{host}:{WEB_PORT}/");
    let words = ["-t", "2", "-c", "60", "-d", SECONDS];
    let output = side.on_caller(caller, "wrk").args(words).args(flags).arg(&url).output();
    let output = output.expect("run wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let rate: Option<f64> = rate.and_then(|rate| rate.trim().parse().ok());
    rate.filter(|rate| *rate > 0.0).unwrap_or_else(|| panic!("wrk at {url}: {text}")) / 1e3
}

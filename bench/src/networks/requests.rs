//! Requests per second to a web server behind a published port: nginx, called by wrk with 60 connections.

use std::fs;
use std::path::Path;

use super::paths::{Caller, Server, Side, WEB_PORT};
use super::{at_least, in_turn, medians};
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
        let done = side.caller(Caller::Loopback).command("sh").args(["-c", TABLES]).status();
        assert!(done.is_ok_and(|status| status.success()), "the host's tables stay as they are");
    }
    let mut rows = Vec::new();
    let mut limits = Vec::new();
    // Last what is relayed: the server remembers its connections for a minute, as ones from the host's address in the bridge, which those
    // to 127.0.0.1 come from as well.
    for (caller, from) in CALLERS {
        let all = KINDS.map(|(kind, flags)| {
            let name = format!("{from}, {kind}");
            eprint!("\rrequests: {name} ");
            (name, pairs(&sides, caller, flags, rounds))
        });
        for (name, pairs) in all {
            if caller != Caller::Loopback6 {
                limits.push(at_least(&name, &pairs, 0.95));
            }
            rows.push((name, medians(&pairs)));
        }
    }
    eprintln!();
    drop(servers);
    let title = "requests through a published port, 60 clients, thousands per second".to_owned();
    Figures { title, columns: vec!["gantry", "by hand"], rows, limits }
}

/// By hand, nothing is relayed.
fn pairs(sides: &[Side; 2], caller: Caller, flags: &[&str], rounds: u32) -> Vec<(f64, f64)> {
    let pair = |round| {
        let mut rates = [f64::NAN; 2];
        for turn in in_turn(sides.len(), round) {
            if turn == 0 || caller != Caller::Loopback6 {
                rates[turn] = thousands(&sides[turn], caller, flags);
            }
        }
        rates.into()
    };
    (0..rounds).map(pair).collect()
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
    let mut command = side.server().command("nginx");
    command.arg("-c").arg(&path);
    Server::start(side, &mut command, WEB_PORT)
}

fn thousands(side: &Side, caller: Caller, flags: &[&str]) -> f64 {
    let host = side.address(caller);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("http://{host}:{WEB_PORT}/");
    let words = ["-t", "2", "-c", "60", "-d", SECONDS];
    let output = side.caller(caller).command("wrk").args(words).args(flags).arg(&url).output();
    let output = output.expect("run wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let rate: Option<f64> = rate.and_then(|rate| rate.trim().parse().ok());
    rate.filter(|rate| *rate > 0.0).unwrap_or_else(|| panic!("wrk at {url}: {text}")) / 1e3
}

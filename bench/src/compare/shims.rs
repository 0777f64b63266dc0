//! What a shim takes while its container does nothing, as the mean of many.

use gantry_testkit::Daemon;

use super::figures::{Figures, Limit};
use super::peer::Dockerd;
use crate::processes::{KIB_PER_MB, kib, processes};

/// How many containers run at once.
const CONTAINERS: usize = 50;
const PSS_LIMIT_MB: f64 = 0.6;
const RSS_LIMIT_MB: f64 = 2.5;

pub(super) fn figures(daemon: &Daemon, dockerd: Option<&Dockerd>) -> Figures {
    let mut rows = Vec::new();
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("idle-{number}")).collect();
    let mean = around("gantry-shim", || {
        for name in &names {
            let words = ["run", "-d", "--network", "none", "--name", name, "busybox"];
            daemon.ok(&[&words[..], &["sleep", "100000"]].concat());
        }
    });
    daemon.remove(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let limits = vec![
        Limit::new(format!("gantry-shim: PSS ≤ {PSS_LIMIT_MB} MB"), mean.pss_mb, PSS_LIMIT_MB),
        Limit::new(format!("gantry-shim: RSS ≤ {RSS_LIMIT_MB} MB"), mean.rss_mb, RSS_LIMIT_MB),
    ];
    rows.push(("gantry-shim".to_owned(), vec![mean.pss_mb, mean.rss_mb]));
    if let Some(dockerd) = dockerd {
        let mean = around("containerd-shim", || {
            for name in &names {
                let words = ["run", "-d", "--network", "none", "--name", name, "busybox"];
                dockerd.ok(&[&words[..], &["sleep", "100000"]].concat());
            }
        });
        let mut words = vec!["rm", "-f"];
        words.extend(names.iter().map(String::as_str));
        dockerd.ok(&words);
        rows.push(("containerd-shim-runc-v2".to_owned(), vec![mean.pss_mb, mean.rss_mb]));
    }
    Figures {
        title: format!("shims: memory of one with an idle container, MB, mean of {CONTAINERS}"),
        columns: vec!["PSS", "RSS"],
        rows,
        limits,
    }
}

struct Memory {
    pss_mb: f64,
    rss_mb: f64,
}

/// The mean memory of those processes called `name` that `start` made.
fn around(name: &str, start: impl FnOnce()) -> Memory {
    let before = processes(name);
    start();
    let after = processes(name);
    let new: Vec<&String> = after.iter().filter(|pid| !before.contains(pid)).collect();
    assert_eq!(new.len(), CONTAINERS, "each container has one process called {name}");
    let mean = |field: &str| {
        let sum: f64 = new.iter().map(|pid| kib(pid, field)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let count = new.len() as f64;
        sum / count / KIB_PER_MB
    };
    Memory { pss_mb: mean("Pss:"), rss_mb: mean("Rss:") }
}

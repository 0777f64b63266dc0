//! How many files the daemon may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::daemon::Places;

#[test]
fn the_daemon_takes_as_many_as_it_may() {
    let hard = getrlimit(Resource::Nofile).maximum;
    let low = hard.map_or(1024, |hard| hard / 2);
    // For this program's other tests as well; all of them do with less.
    setrlimit(Resource::Nofile, Rlimit { current: Some(low), maximum: hard }).unwrap();
    let dir = TempDir::new().unwrap();
    let daemon = Places::below(&dir, "own").start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    assert_ne!(words[3], low.to_string(), "{line}");
    daemon.end();
}

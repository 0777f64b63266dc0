//! The reaper ends what belongs to a test daemon when the test's process goes, and nothing else.

use std::fs;
use std::process::{Command, Stdio};

use gantry_testkit::poll;

#[test]
fn it_ends_what_names_the_folder_and_removes_the_folder() {
    let folder = tempfile::Builder::new().prefix("gantry-reaper-").tempdir().unwrap().keep();
    fs::create_dir(folder.join("deep")).unwrap();
    let mut by_argument = Command::new("sleep").arg("1000").current_dir(&folder).spawn().unwrap();
    let mut by_words = Command::new("sh")
        .args(["-c", "while :; do sleep 0.1; done", &folder.to_string_lossy()])
        .spawn()
        .unwrap();
    let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/reap.sh");
    let mut reaper = Command::new("sh")
        .arg(script)
        .env("ROOT", &folder)
        .env("CGROUP_PARENT", "gantry-e2e-reaper")
        .current_dir("/")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(by_argument.try_wait().unwrap().is_none(), "nothing happens while we live");
    drop(reaper.stdin.take());
    for child in [&mut by_argument, &mut by_words] {
        poll("a process of the daemon to end", || child.try_wait().unwrap());
    }
    assert!(reaper.wait().unwrap().success());
    assert!(!folder.exists());
    assert!(stranger.try_wait().unwrap().is_none(), "a stranger was ended");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn it_refuses_a_folder_that_is_too_much() {
    for root in ["", "/", "/tmp", "relative/path"] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/reap.sh");
        let status = Command::new("sh")
            .arg(script)
            .env("ROOT", root)
            .env("CGROUP_PARENT", "gantry-e2e-reaper")
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1), "{root:?}");
    }
}

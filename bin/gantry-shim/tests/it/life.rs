//! From create to delete: statuses, the log, the exit record, and what is refused.

use crate::container::{Container, Options, created, launched, numbers};
use gantry_logs::Stream;
use gantry_shim_protocol::task::TaskStatus;
use gantry_shims::{ExitNotice, Shims};
use gantry_types::{ErrorKind, Signal};
use std::sync::mpsc;

fn script(script: &'static str) -> Container {
    created(&Options { script, ..Default::default() })
}

#[test]
fn a_container_runs_and_its_end_is_recorded_and_logged() {
    let container = script("echo out; echo err >&2; printf unfinished; exit 7");
    assert_eq!(container.shim().state("").unwrap().status, TaskStatus::Created);
    let pid = container.start();
    assert_eq!(container.status(""), 7);
    // The log is complete the moment the end is told.
    assert_eq!(container.logged(Stream::Stdout), "out\nunfinished");
    assert_eq!(container.logged(Stream::Stderr), "err\n");
    let recorded = Shims::recorded_exit(&container.bundle, "");
    assert!(matches!(recorded, Some(ExitNotice::Exited { status: 7, pid: p, .. }) if p == pid));
    let state = container.shim().state("").unwrap();
    assert_eq!((state.status, state.exit_status), (TaskStatus::Stopped, 7));
    // Who asks late is told at once.
    assert_eq!(container.status(""), 7);
    let deleted = container.shim().delete("").unwrap();
    assert!(matches!(deleted, ExitNotice::Exited { status: 7, .. }), "{deleted:?}");
    assert_eq!(container.shim().delete("").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn everyone_who_waits_is_told() {
    let container = script("read x");
    let (sender, receiver) = mpsc::sync_channel(64);
    for _ in 0..50 {
        let sender = sender.clone();
        container.shim().on_exit("", move |notice| sender.send(notice).unwrap());
    }
    container.start();
    drop(sender);
    let notices: Vec<_> = receiver.iter().collect();
    assert_eq!(notices.len(), 50);
    assert!(notices.iter().all(|notice| matches!(notice, ExitNotice::Exited { status: 1, .. })));
}

#[test]
fn signals_end_it_and_a_finished_one_is_not_found() {
    let container = script("exec sleep 100");
    container.start();
    assert!(container.shim().pids().unwrap().len() == 1);
    assert_eq!(container.shim().delete("").unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(container.shim().start("").unwrap_err().kind(), ErrorKind::Conflict);
    container.shim().kill("", Signal::KILL).unwrap();
    assert_eq!(container.status(""), 137);
    let refused = container.shim().kill("", Signal::KILL).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert_eq!(container.shim().start("").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_paused_container_stands_still() {
    let container = script("exec sleep 100");
    container.start();
    container.shim().pause().unwrap();
    assert_eq!(container.shim().state("").unwrap().status, TaskStatus::Paused);
    container.shim().resume().unwrap();
    assert_eq!(container.shim().state("").unwrap().status, TaskStatus::Running);
}

#[test]
fn the_runtimes_words_come_unchanged() {
    let container = launched("true", false);
    let path = container.bundle.join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("[\"sh\",", "[\"no-such-program\",")).unwrap();
    let options = container.create_options(&Options::default());
    let created = container.shim().create(&options).map(|_| container.shim().start(""));
    let error = match created {
        Ok(started) => started.unwrap_err(),
        Err(error) => error,
    };
    let words = "exec: \"no-such-program\": executable file not found in $PATH";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_failed_create_leaves_room_for_another() {
    let container = launched("exit 3", false);
    let good = container.create_options(&Options::default());
    let mut bad = good.clone();
    bad.stdout = "http://nowhere".to_owned();
    let error = container.shim().create(&bad).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
    bad.stdout = "/no/such/fifo".to_owned();
    assert!(container.shim().create(&bad).unwrap_err().to_string().contains("/no/such/fifo"));
    container.shim().create(&good).unwrap();
    let again = container.shim().create(&good).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "{again}");
    container.start();
    assert_eq!(container.status(""), 3);
}

#[test]
fn a_created_container_can_be_deleted_unstarted() {
    let container = script("true");
    container.shim().delete("").unwrap();
    assert!(container.shim().state("").is_err());
}

#[test]
fn much_output_is_logged_to_the_last_byte() {
    let container = script("seq 1 200000");
    container.start();
    assert_eq!(container.status(""), 0);
    assert!(container.logged(Stream::Stdout) == numbers(200_000));
}

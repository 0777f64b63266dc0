//! The daemon is killed at any moment of load, run and rm. The next one comes up, shows whole things only, and
//! everything works again.

use std::time::Duration;

use gantry_testkit::{Daemon, Running, busybox, poll_for};

/// Kills the daemon `after` the client has begun, lets the client fail or finish, and starts the daemon again.
fn kill_during(daemon: &Daemon, client: Running, after: Duration) {
    // Not a wait for a state: the moment of the kill is what varies.
    std::thread::sleep(after);
    daemon.kill();
    client.wait();
    daemon.start_again();
}

/// Moments from almost at once to when most commands are done.
fn moments() -> impl Iterator<Item = Duration> {
    [0, 1, 3, 6, 10, 15, 22, 30, 45, 70].into_iter().map(Duration::from_millis)
}

#[test]
fn during_load() {
    let daemon = Daemon::start();
    let archive = daemon.scratch("image.tar");
    std::fs::write(&archive, busybox().docker_archive()).unwrap();
    for moment in moments() {
        let client = daemon.gantry(&["load", "-i", archive.to_str().unwrap()]).spawn();
        kill_during(&daemon, client, moment);
        if daemon.ok(&["images", "-q", "busybox"]).is_empty() {
            continue;
        }
        assert_eq!(
            daemon.ok(&["run", "--rm", "--network", "none", "busybox", "echo", "whole"]),
            "whole"
        );
        daemon.ok(&["rmi", "busybox"]);
    }
    daemon.load(&busybox());
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
}

#[test]
fn during_run_and_rm() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    daemon.stop();
    daemon.start_again();
    let before = daemon.snapshot();
    for moment in moments() {
        let client = daemon
            .gantry(&["run", "--name", "victim", "--network", "none", "busybox", "sleep", "0.02"])
            .spawn();
        kill_during(&daemon, client, moment);
        if !daemon.ok(&["ps", "-aq"]).is_empty() {
            let client = daemon.gantry(&["rm", "-f", "victim"]).spawn();
            kill_during(&daemon, client, moment);
        }
        for id in daemon.ok(&["ps", "-aq"]).lines() {
            daemon.ok(&["rm", "-f", id]);
        }
        let clean = poll_for(Duration::from_secs(10), || {
            daemon.ok(&["ps", "-aq"]).is_empty().then_some(())
        });
        assert!(clean.is_some(), "killed after {moment:?}: a container cannot be removed");
    }
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    daemon.stop();
    daemon.start_again();
    // A new process: its own line in the snapshot differs, so compare all the rest.
    before.assert_same_things_as(&daemon);
}

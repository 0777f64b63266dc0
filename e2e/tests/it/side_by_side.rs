//! Several daemons on one machine know nothing of one another.

use gantry_testkit::{Daemon, Options};

#[test]
fn two_daemons_two_worlds() {
    let (one, two) = (Daemon::with_busybox(), Daemon::start());
    assert!(!two.ok(&["images"]).contains("busybox"));
    for daemon in [&one, &two] {
        daemon.load(&gantry_testkit::busybox());
        daemon.ok(&[
            "run",
            "-d",
            "--name",
            "same",
            "--network",
            "none",
            "busybox",
            "sleep",
            "1000",
        ]);
    }
    let (before, id) = (two.snapshot(), two.inspect("same")["Id"].clone());
    one.ok(&["rm", "-f", "same"]);
    assert_eq!(one.ok(&["ps", "-aq"]), "");
    assert_eq!(two.inspect("same")["Id"], id);
    assert_eq!(two.inspect("same")["State"]["Status"], "running");
    one.kill();
    before.assert_restored(&two);
    two.remove(&["same"]);
}

#[test]
fn a_root_has_one_daemon() {
    let daemon = Daemon::start();
    let second =
        Daemon::prepare(Options { data_root: Some(daemon.data_root()), ..Options::default() });
    let reason = second.try_start().expect_err("two daemons on one data root");
    assert!(reason.contains(&*daemon.data_root().to_string_lossy()), "{reason}");
    assert!(reason.trim().lines().count() <= 3, "{reason}");
    daemon.ok(&["run", "--rm", "hello-world"]);
}

#[test]
fn long_paths_are_no_obstacle() {
    let deep: std::path::PathBuf = std::iter::repeat_n("a-rather-long-folder-name", 8).collect();
    let base = Daemon::start();
    let root = base.folder().join("scratch").join(deep);
    let daemon = Daemon::start_with(Options { data_root: Some(root), ..Options::default() });
    daemon.ok(&["run", "--rm", "hello-world"]);
}

//! `--storage-opt`: the size of a writable layer, on hosts whose file system keeps it (e2e/vm has one) and on others.

use gantry_testkit::{Daemon, Options};

use crate::shared::shared;

#[test]
fn a_writable_layer_has_a_size_or_a_reason_why_not() {
    let sized = ["run", "--rm", "--network", "none", "--storage-opt", "size=8m", "busybox"];
    let df = shared().gantry(&[&sized[..], &["df", "-k", "/"]].concat()).run();
    if shared().ok(&["info"]).contains("Project quotas: true") {
        let size = df.success();
        assert_eq!(size.lines().last().unwrap().split_whitespace().nth(1), Some("8192"), "{size}");
    } else {
        df.exits(125)
            .complains("a size for writable layers cannot be had on the file system of ")
            .complains("prjquota");
    }
    // No limit needs nothing.
    let none = ["run", "--rm", "--network", "none", "--storage-opt", "size=0", "busybox", "true"];
    shared().ok(&none);
    for (option, says) in [
        ("size=much", "invalid size: 'much'"),
        ("size=1k", "cannot be below 64 KiB"),
        ("colour=red", "unknown storage option colour=red"),
    ] {
        let words = ["create", "--network", "none", "--storage-opt", option, "busybox"];
        shared().gantry(&words).run().exits(1).complains(says);
    }
}

#[test]
fn a_daemon_whose_default_nobody_can_keep_says_so_at_once() {
    let sound = Daemon::start();
    if sound.ok(&["info"]).contains("Project quotas: true") {
        return;
    }
    let flags = vec!["--storage-opt=overlay2.size=1g".to_owned()];
    let refused = Daemon::prepare(Options { flags, ..Options::default() }).try_start().unwrap_err();
    assert!(refused.contains("a size for writable layers cannot be had"), "{refused}");
}

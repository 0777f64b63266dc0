//! What is remembered: only what changed is done again, whatever it was called and whenever.

use std::fs;

use gantry_testkit::Daemon;

use super::{build, cached, context, is_over, run};

const DOCKERFILE: &str = "FROM busybox\nCOPY first /first\nRUN cat /first > /one; cat /proc/sys/kernel/random/uuid > /when\nCOPY second /second\n\
    RUN cat /second > /two\n";

#[test]
fn only_what_changed_is_done_again() {
    let daemon = Daemon::with_busybox();
    let files = [("first", "1"), ("second", "2")];
    let printed = build(&daemon, &["-t", "m:1"], DOCKERFILE, &files);
    assert_eq!(cached(&printed), 0, "{printed}");
    let id = daemon.ok(&["images", "-q", "--no-trunc", "m:1"]);
    // Another directory, other times, the same content.
    let printed = build(&daemon, &["-t", "m:2"], DOCKERFILE, &files);
    assert_eq!(cached(&printed), 4, "{printed}");
    assert_eq!(daemon.ok(&["images", "-q", "--no-trunc", "m:2"]), id, "all of it is remembered");
    let when = run(&daemon, "m:1", &["cat", "/when"]);
    let printed =
        build(&daemon, &["-t", "m:3"], DOCKERFILE, &[("first", "1"), ("second", "other")]);
    assert_eq!(cached(&printed), 2, "{printed}");
    assert_eq!(run(&daemon, "m:3", &["sh", "-c", "cat /two /when"]), format!("other{when}"));
    let printed = build(&daemon, &["-t", "m:4", "--no-cache"], DOCKERFILE, &files);
    assert_eq!(cached(&printed), 0, "{printed}");
    assert_ne!(run(&daemon, "m:4", &["cat", "/when"]), when);
    // It outlives the daemon and the images.
    daemon.ok(&["rmi", "m:1", "m:2", "m:3", "m:4"]);
    assert_eq!(daemon.stop(), Some(0));
    daemon.start_again();
    let printed = build(&daemon, &["-t", "m:5"], DOCKERFILE, &files);
    assert_eq!(cached(&printed), 4, "{printed}");
    daemon.ok(&["system", "check"]);
    daemon.ok(&["rmi", "m:5"]);
    let pruned = daemon.ok(&["builder", "prune", "-f"]);
    assert!(pruned.contains("Total reclaimed space"), "{pruned}");
    let printed = build(&daemon, &["-t", "m:6"], DOCKERFILE, &files);
    assert_eq!(cached(&printed), 0, "{printed}");
    daemon.ok(&["system", "check"]);
}

#[test]
fn arguments_count_where_they_are_used() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN echo before > /before\nARG A\nRUN echo $A > /a\n";
    build(&daemon, &["-t", "args", "--build-arg", "A=1"], dockerfile, &[]);
    assert_eq!(cached(&build(&daemon, &["--build-arg", "A=1"], dockerfile, &[])), 2);
    assert_eq!(cached(&build(&daemon, &["--build-arg", "A=2"], dockerfile, &[])), 1);
    let proxied = build(
        &daemon,
        &["--build-arg", "A=1", "--build-arg", "http_proxy=http://x"],
        dockerfile,
        &[],
    );
    assert_eq!(cached(&proxied), 2, "through which proxy is no part of it");
}

#[test]
fn a_build_that_dies_with_the_daemon_leaves_nothing_and_is_gone_on_with() {
    let daemon = Daemon::with_busybox();
    let dockerfile =
        "FROM busybox\nRUN echo done > /done\nRUN while test ! -e /never; do usleep 20000; done\n";
    let root = context(&daemon, "dies", &[("Dockerfile", dockerfile)]);
    let words = ["build", "--network", "none", root.to_str().unwrap()];
    let building = daemon.gantry(&words).spawn();
    gantry_testkit::poll("the last step begins", || {
        building.stderr().contains("[3/3] RUN").then_some(())
    });
    gantry_testkit::poll("the command runs", || {
        fs::read_dir(daemon.exec_root().join("containers"))
            .is_ok_and(|entries| entries.count() > 0)
            .then_some(())
    });
    daemon.kill();
    building.wait();
    daemon.start_again();
    gantry_testkit::poll("nothing is left of it", || is_over(&daemon).then_some(()));
    fs::write(root.join("Dockerfile"), "FROM busybox\nRUN echo done > /done\n").unwrap();
    let printed = daemon.gantry(&words).run();
    assert_eq!((printed.code, cached(&printed.stderr)), (0, 1), "{}", printed.stderr);
    daemon.ok(&["system", "check"]);
}

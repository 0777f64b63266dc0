//! Builds that were: what is kept of them, and that it goes.

use gantry_testkit::Daemon;
use serde_json::Value;

use super::{build, context};

fn document(daemon: &Daemon, words: &[&str]) -> Value {
    serde_json::from_str(&daemon.ok(words)).unwrap()
}

#[test]
fn builds_are_kept_with_their_steps_and_their_output() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN echo kept-words; echo more >&2; echo x > /x\n";
    build(&daemon, &["-t", "history:1"], dockerfile, &[]);
    build(&daemon, &["-t", "history:2"], dockerfile, &[]);
    let root =
        context(&daemon, "fails", &[("Dockerfile", "FROM busybox\nRUN echo last-words; exit 5\n")]);
    daemon.gantry(&["build", "--network", "none", root.to_str().unwrap()]).run().exits(1);
    let ids = daemon.ok(&["builds", "ls", "-q", "--no-trunc"]);
    let ids: Vec<&str> = ids.lines().collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let failed = document(&daemon, &["builds", "inspect", "--format", "json", "latest"]);
    assert_eq!((&failed["ID"], &failed["Status"]), (&ids[0].into(), &"error".into()));
    assert!(failed["Error"].as_str().unwrap().ends_with("non-zero code: 5"), "{failed}");
    let step = failed["Steps"].as_array().unwrap().last().unwrap();
    assert!(step["Error"].as_str().unwrap().contains("non-zero code: 5"), "{step}");
    let log = daemon.ok(&["builds", "logs", ids[0]]);
    assert!(log.contains("\nlast-words\n") && log.contains("ERROR: line 2"), "{log}");
    let second = document(&daemon, &["builds", "inspect", "--format", "json", &ids[1][..8]]);
    assert_eq!((&second["Status"], &second["CachedSteps"]), (&"completed".into(), &1.into()));
    assert_eq!(second["Tags"], serde_json::json!(["history:2"]));
    let image = daemon.ok(&["images", "-q", "--no-trunc", "history:2"]);
    assert_eq!(second["ImageID"].as_str().unwrap(), image);
    let log = daemon.ok(&["builds", "logs", ids[2]]);
    assert!(log.ends_with("kept-words\nmore"), "{log}");
    // It outlives the daemon, and goes when it is told to.
    assert_eq!(daemon.stop(), Some(0));
    daemon.start_again();
    assert_eq!(daemon.ok(&["builds", "logs", ids[2]]), log);
    daemon.ok(&["builds", "rm", ids[2]]);
    daemon.gantry(&["builds", "inspect", ids[2]]).run().exits(1).complains("No such build");
    let folders = || std::fs::read_dir(daemon.data_root().join("build-history")).unwrap().count();
    assert_eq!(folders(), 1, "the log of the one that failed");
    daemon.ok(&["builds", "prune", "-f"]);
    assert_eq!(daemon.ok(&["builds", "ls", "-q"]), "");
    assert_eq!(folders(), 0);
    daemon.ok(&["rmi", "history:1", "history:2"]);
}

#[test]
fn a_build_that_the_daemons_end_interrupts_is_told_so() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN while test ! -e /never; do usleep 20000; done\n";
    let root = context(&daemon, "interrupted", &[("Dockerfile", dockerfile)]);
    let building = daemon.gantry(&["build", "--network", "none", root.to_str().unwrap()]).spawn();
    gantry_testkit::poll("the build is known", || {
        let list = daemon.ok(&["builds", "ls", "--format", "{{.Status}} {{.Steps}}"]);
        (list == "running 2/3").then_some(())
    });
    let id = daemon.ok(&["builds", "ls", "-q"]);
    daemon.gantry(&["builds", "rm", &id]).run().exits(1).complains("goes on");
    daemon.kill();
    building.wait();
    daemon.start_again();
    assert_eq!(daemon.ok(&["builds", "ls", "--format", "{{.Status}}"]), "interrupted");
    daemon.ok(&["builds", "rm", &id]);
}

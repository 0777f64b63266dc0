//! What cache mounts hold: listed, pruned one by one, and carried to another daemon.

use gantry_testkit::Daemon;

use super::{context, run};

/// Has a command write a word into two cache mounts, and keep what was there before.
#[track_caller]
fn fill(daemon: &Daemon, word: &str) -> String {
    let dockerfile = format!(
        "FROM busybox\nRUN --mount=type=cache,target=/one --mount=type=cache,id=other,target=/two \
         cat /one/x > /before 2>&1; echo {word} > /one/x; echo {word} > /two/x; chown 7:8 /one/x; chmod 700 /one\n"
    );
    let root = context(daemon, &crate::shared::unique("context"), &[("Dockerfile", &dockerfile)]);
    let words = ["build", "--network=none", "--no-cache", "-t", "filled", root.to_str().unwrap()];
    daemon.ok(&words);
    run(daemon, "filled", &["cat", "/before"])
}

fn listed(daemon: &Daemon) -> String {
    daemon.ok(&["builder", "du", "--filter", "type=exec.cachemount"])
}

#[test]
fn each_is_listed_and_goes_by_its_name() {
    let daemon = Daemon::with_busybox();
    fill(&daemon, "first");
    let text = listed(&daemon);
    assert!(text.contains("cached mount /one") && text.contains("cached mount other"), "{text}");
    let ids = daemon.ok(&[
        "builder",
        "du",
        "--format",
        "{{.CacheType}} {{.UsageCount}}",
        "--filter",
        "id=other",
    ]);
    assert_eq!(ids, "exec.cachemount 1");
    let prune = |filters: &[&str]| {
        let flags = filters.iter().flat_map(|filter| ["--filter", filter]);
        daemon.ok(&["builder", "prune", "-f"].into_iter().chain(flags).collect::<Vec<_>>())
    };
    prune(&["type=exec.cachemount", "until=1h"]);
    assert!(listed(&daemon).contains("cached mount other"), "it is not an hour old");
    assert!(!prune(&["type=exec.cachemount", "id=other"]).contains("space: 0B"));
    let text = listed(&daemon);
    assert!(text.contains("/one") && !text.contains("other"), "{text}");
    // Steps go, mounts stay; then all goes.
    daemon.ok(&["builder", "prune", "-f"]);
    assert_eq!(fill(&daemon, "second"), "first");
    daemon.ok(&["builder", "prune", "-a", "-f"]);
    assert!(!listed(&daemon).contains("cached mount"));
    assert!(fill(&daemon, "third").contains("No such file"));
    daemon
        .gantry(&["builder", "prune", "-f", "--filter", "colour=red"])
        .run()
        .exits(1)
        .complains("colour");
    daemon.ok(&["system", "check"]);
}

#[test]
fn the_oldest_goes_where_room_is_short() {
    let daemon = Daemon::with_busybox();
    let make = |number: u32| {
        let dockerfile = format!("FROM busybox\nRUN head -c 1000000 /dev/urandom > /{number}\n");
        let root =
            context(&daemon, &crate::shared::unique("context"), &[("Dockerfile", &dockerfile)]);
        daemon.ok(&["build", "--network=none", root.to_str().unwrap()]);
    };
    (1..=3).for_each(make);
    let left = || {
        let all = daemon.ok(&["builder", "du", "--format", "{{.Description}}"]);
        (1..=3).filter(|number| all.contains(&format!("> /{number}"))).collect::<Vec<u32>>()
    };
    assert_eq!(left(), [1, 2, 3]);
    daemon.ok(&["builder", "prune", "-f", "--max-used-space", "2500000"]);
    assert_eq!(left(), [2, 3]);
    daemon.ok(&["builder", "prune", "-f", "--keep-storage", "1500000"]);
    assert_eq!(left(), [3]);
    daemon.ok(&["system", "check"]);
}

#[test]
fn what_it_holds_is_carried_to_another_daemon() {
    let (here, there) = (Daemon::with_busybox(), Daemon::with_busybox());
    fill(&here, "carried");
    let file = here.scratch("one.tar");
    let path = file.to_str().unwrap();
    here.ok(&["builder", "cache", "export", "-o", path, "/one"]);
    there.ok(&["builder", "cache", "import", "/one", path]);
    assert_eq!(fill(&there, "own"), "carried");
    // What is there makes way for what comes, and a file that is no archive for nothing.
    there.ok(&["builder", "cache", "import", "/one", path]);
    let wrong =
        there.gantry(&["builder", "cache", "import", "/one", "-"]).input("no archive").run();
    assert_ne!(wrong.code, 0);
    let dockerfile = "FROM busybox\nRUN --mount=type=cache,target=/one stat -c '%U %u:%g %a' /one /one/x > /seen; cat /one/x >> /seen\n";
    let root = context(&there, "seen", &[("Dockerfile", dockerfile)]);
    there.ok(&["build", "--network=none", "-t", "seen", root.to_str().unwrap()]);
    let seen = run(&there, "seen", &["cat", "/seen"]);
    assert_eq!(seen, "root 0:0 700\nUNKNOWN 7:8 644\ncarried");
    here.gantry(&["builder", "cache", "export", "-o", path, "/never"])
        .run()
        .exits(1)
        .complains("No such cache mount");
    for daemon in [&here, &there] {
        let left = std::fs::read_dir(daemon.data_root().join("build-caches")).unwrap();
        let names: Vec<_> =
            left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| name.len() == 64), "{names:?}");
        daemon.ok(&["system", "check"]);
    }
}

//! Builds that cannot be: what is said, and that nothing is left.

use std::fs;

use gantry_testkit::Daemon;

use super::context;
use crate::shared::shared;

/// A Dockerfile, and what is said of it.
const REFUSALS: &[(&str, &str)] = &[
    (
        "FORM busybox",
        "dockerfile parse error on line 1: unknown instruction: FORM (did you mean FROM?)",
    ),
    (
        "FROM busybox\nCOPY --frm=x a b",
        "dockerfile parse error on line 2: unknown flag: --frm (did you mean from?)",
    ),
    (
        "FROM busybox\n\nCOPY missing /x",
        "line 3: COPY missing /x: \"/missing\" is not there in the build context",
    ),
    (
        "FROM busybox\nCOPY hidden /x",
        "\"/hidden\" is not there in the build context: .dockerignore leaves it out",
    ),
    ("FROM busybox\nCOPY a b /x", "the destination must be a directory and end with a /"),
    ("FROM busybox\nCOPY dir /bin/busybox", "cannot copy a directory to"),
    ("FROM busybox\nCOPY --chown=nobody-here a /x", "invalid user \"nobody-here\""),
    ("FROM busybox\nCOPY --chmod=9 a /x", "invalid mode \"9\""),
    ("FROM busybox\nRUN exit 7", "The command '/bin/sh -c exit 7' returned a non-zero code: 7"),
    ("FROM busybox\nRUN [\"/nowhere\"]", "/nowhere"),
    ("FROM busybox\nUSER $UNSET_SIGNAL\nSTOPSIGNAL nonsense", "invalid stop signal \"nonsense\""),
    ("FROM busybox\nEXPOSE none", "invalid port \"none\""),
    ("FROM busybox\nENV A=${B:?needed}", "B: needed"),
    ("FROM $NOTHING", "base name ($NOTHING) should not be blank"),
    (
        "FROM busybox\nRUN --mount=type=secret,id=s,required true",
        "invalid secret \"s\": it is required",
    ),
    ("FROM busybox\nRUN --network=host true", "build with --network host"),
    ("FROM busybox\nCOPY a /.wh.bin", "has a name that layers reserve for deletions"),
    ("FROM busybox\nADD http://127.0.0.1:1/y /z", "http://127.0.0.1:1/y"),
];

#[test]
fn what_cannot_be_built_is_said_in_the_last_line() {
    let files =
        [("a", "a"), ("b", "b"), ("dir/x", "x"), ("hidden", "h"), (".dockerignore", "hidden\n")];
    let root = context(shared(), "refusals", &files);
    for (dockerfile, complaint) in REFUSALS {
        fs::write(root.join("Dockerfile"), dockerfile).unwrap();
        let outcome =
            shared().gantry(&["build", "--network", "none", root.to_str().unwrap()]).run();
        outcome.exits(1).complains(complaint);
        // Whatever was shown of the steps before it.
        let last = outcome.stderr.trim_end().lines().last().unwrap_or_default();
        assert!(last.contains(complaint), "{dockerfile:?}: {}", outcome.stderr);
    }
}

#[test]
fn what_is_wrong_with_the_request_is_said() {
    let root = context(shared(), "requests", &[("Dockerfile", "FROM busybox\n")]);
    let root = root.to_str().unwrap();
    for (flags, complaint) in [
        (vec!["--target", "none"], "target stage \"none\" could not be found"),
        (vec!["-t", "UPPER"], "repository name (library/UPPER) must be lowercase"),
        (vec!["-f", "/dev/null"], "file with no instructions"),
        (vec!["--platform", "linux/s390x"], "s390x"),
        (vec!["--platform", "a/b/c/d"], "invalid platform \"a/b/c/d\""),
        (vec!["--secret", "src=x"], "an id is needed"),
    ] {
        let words = [&["build"], &flags[..], &[root]].concat();
        shared().gantry(&words).run().exits(1).complains(complaint);
    }
    shared().gantry(&["build", "/nowhere/at/all"]).run().exits(1).complains("/nowhere/at/all");
}

#[test]
fn a_build_that_fails_leaves_nothing() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    let before = daemon.snapshot();
    let dockerfile = "FROM busybox\nRUN echo x > /x && exit 3\n";
    let root = context(&daemon, "fails", &[("Dockerfile", dockerfile)]);
    daemon.gantry(&["build", "--network", "none", root.to_str().unwrap()]).run().exits(1);
    fs::remove_dir_all(root).unwrap();
    before.assert_restored(&daemon);
    daemon.ok(&["system", "check"]);
}

#[test]
fn checks_warn_and_build_nothing() {
    let files = [("Dockerfile", "from busybox as A\nMAINTAINER me\n")];
    let root = context(shared(), "checks", &files);
    let outcome = shared().gantry(&["build", "--check", root.to_str().unwrap()]).run();
    outcome.exits(1);
    for rule in ["StageNameCasing", "MaintainerDeprecated", "ConsistentInstructionCasing"] {
        assert!(
            outcome.stdout.contains(&format!("WARNING: {rule} - https://docs.docker.com/")),
            "{}",
            outcome.stdout
        );
    }
    assert!(outcome.stdout.contains("   1 | >>> from busybox as A"), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("warnings have been found!\n"), "{}", outcome.stdout);
    fs::write(root.join("Dockerfile"), "FROM busybox\n").unwrap();
    let printed = shared().ok(&["build", "--check", root.to_str().unwrap()]);
    assert_eq!(printed, "Check complete, no warnings found.");
}

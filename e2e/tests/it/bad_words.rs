//! Command lines that make no sense: one clear sentence, the right exit code, nothing changed.

use gantry_testkit::{Binaries, Invocation};

use crate::shared::{run, shared};

#[test]
fn unknown_commands_and_flags() {
    for (words, code, complaint) in [
        (&["frobnicate"][..], 1, "frobnicate"),
        (&["ps", "--frob"][..], 125, "unknown flag: --frob"),
        (&["run", "--frob", "busybox"][..], 125, "unknown flag: --frob"),
        (&["rm"][..], 1, "rm"),
        (&["logs"][..], 1, "logs"),
        (&["exec"][..], 1, "exec"),
        (&["tag", "one"][..], 1, "tag"),
    ] {
        let outcome = shared().gantry(words).run();
        outcome.exits(code).complains(complaint);
        assert_eq!(outcome.stdout, "", "{outcome}");
    }
}

#[test]
fn names_and_references_that_cannot_be() {
    for name in ["", "-x", "a", "with space", "sl/ash", "ümlaut", "a\u{0}b"] {
        if name.contains('\0') {
            continue;
        }
        let outcome =
            shared().gantry(&["create", &format!("--name={name}"), "busybox", "true"]).run();
        if name.is_empty() {
            // As with Docker, an empty name is no name.
            let id = outcome.success();
            shared().remove(&[&id]);
            continue;
        }
        outcome.exits(1).plainly().complains("Invalid container name");
    }
    for reference in ["UPPER", "bad:tag:tag", "a//b", "busybox:", "busybox@sha256:short", "-x/y"] {
        shared()
            .gantry(&["create", "--", reference, "true"])
            .run()
            .exits(1)
            .complains("invalid reference format");
    }
}

#[test]
fn values_that_cannot_be() {
    for flags in [
        &["-e", "=x"][..],
        &["--memory", "-5"][..],
        &["--pids-limit", "x"][..],
        &["--stop-signal", "NOPE"][..],
        &["--ulimit", "nonsense=1"][..],
        &["--ulimit", "nofile=5:2"][..],
        &["--hostname", "under_score ümlaut"][..],
        &["--security-opt", "nonsense"][..],
        &["--tmpfs", "relative"][..],
        &["--shm-size", "x"][..],
        &["--add-host", "nocolon"][..],
        &["--restart", "sometimes"][..],
        &["--log-driver", "nope"][..],
        &["--mount", "type=nope,target=/x"][..],
        &["--user", "a:b:c"][..],
    ] {
        let outcome = run(flags, &["true"]);
        outcome.exits(125).plainly();
    }
}

#[test]
fn a_socket_where_nobody_listens() {
    let gantry = Binaries::find().path("gantry");
    Invocation::new(&gantry)
        .args(["-H", "unix:///nowhere/gantry.sock", "ps"])
        .run()
        .exits(1)
        .plainly()
        .complains("Cannot connect to the Gantry daemon at unix:///nowhere/gantry.sock. Is the daemon running?");
    Invocation::new(&gantry)
        .args(["-H", "tcp://127.0.0.1:1", "ps"])
        .run()
        .exits(1)
        .plainly()
        .complains("127.0.0.1:1");
    Invocation::new(&gantry)
        .args(["-H", "nonsense://x", "ps"])
        .run()
        .exits(1)
        .plainly()
        .complains("nonsense");
    Invocation::new(&gantry)
        .args(["-H", "unix:///nowhere/gantry.sock", "run", "busybox"])
        .run()
        .exits(125)
        .plainly();
}

#[test]
fn containers_that_are_not_there() {
    for words in [
        &["start", "ghost"][..],
        &["stop", "ghost"][..],
        &["kill", "ghost"][..],
        &["restart", "ghost"][..],
        &["rm", "ghost"][..],
        &["logs", "ghost"][..],
        &["attach", "ghost"][..],
        &["wait", "ghost"][..],
        &["rename", "ghost", "spirit"][..],
    ] {
        shared().gantry(words).run().exits(1).plainly().complains("No such container: ghost");
    }
}

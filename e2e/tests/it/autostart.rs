//! The first command on a machine where no daemon runs: `gantry` starts one. Played in a private mount namespace
//! with an empty /run, /var/lib and /var/log, and in a network namespace, so that the machine's own stay as they are.

use gantry_testkit::{Binaries, Invocation, require_root};

/// Runs a script where /run, /var/lib and /var/log are empty; the daemon that it starts is ended by the id in its pid file.
fn on_a_fresh_machine(script: &str) -> gantry_testkit::Outcome {
    require_root();
    let gantry = Binaries::find().path("gantry");
    let stage = "for empty in /run /var/lib /var/log; do mount -t tmpfs tmpfs $empty || exit 99; done\n\
        end() {\n\
            pid=$(cat /run/gantry/gantryd.pid 2>/dev/null) || return\n\
            kill -TERM \"$pid\"\n\
            while kill -0 \"$pid\" 2>/dev/null; do sleep 0.05; done\n\
        }\n\
        trap end EXIT\n";
    Invocation::new("unshare")
        .args(["--mount", "--net", "sh", "-c", &format!("{stage}{script}")])
        .env("GANTRY", gantry)
        .run()
}

#[test]
fn run_starts_a_daemon_and_says_so() {
    let outcome =
        on_a_fresh_machine("\"$GANTRY\" run --rm hello-world && \"$GANTRY\" run --rm hello-world");
    outcome.exits(0);
    assert_eq!(outcome.stdout.matches("Hello from Gantry!").count(), 2, "{outcome}");
    let told = outcome.stderr.matches("Starting the Gantry daemon").count();
    assert_eq!(told, 1, "it is told once: {outcome}");
}

#[test]
fn two_first_commands_at_once_are_harmless() {
    let script = "\"$GANTRY\" run --rm hello-world & one=$!\n\
        \"$GANTRY\" run --rm hello-world & two=$!\n\
        wait $one && wait $two";
    on_a_fresh_machine(script).exits(0);
}

#[test]
fn it_can_be_switched_off() {
    on_a_fresh_machine("GANTRY_AUTOSTART=0 \"$GANTRY\" ps")
        .exits(1)
        .plainly()
        .complains("Cannot connect to the Gantry daemon at unix:///run/gantry/gantry.sock");
}

#[test]
fn a_daemon_that_cannot_start_gives_its_reason() {
    on_a_fresh_machine("echo not a folder >/var/lib/gantry; \"$GANTRY\" ps")
        .exits(1)
        .plainly()
        .complains("/var/lib/gantry");
}

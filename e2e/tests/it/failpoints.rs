//! A start that fails at any step undoes what came before it. The daemon has a hidden switch for this:
//! `GANTRY_FAIL_AT=<step>` makes the engine fail right after that step.

use gantry_testkit::{Daemon, Options, busybox};

/// The steps of a create and a start, in their order; the engine names them.
const STEPS: [&str; 9] = [
    "create-layer",
    "create-files",
    "create-record",
    "start-bundle",
    "start-shim",
    "start-task",
    "start-attach",
    "start-process",
    "start-record",
];

#[test]
fn every_step_of_a_start_is_undone() {
    for step in STEPS {
        let environment = vec![("GANTRY_FAIL_AT".to_owned(), step.to_owned())];
        let daemon = Daemon::start_with(Options { environment, ..Options::default() });
        daemon.load(&busybox());
        let before = daemon.snapshot();
        daemon
            .gantry(&["run", "--rm", "--network", "none", "busybox", "true"])
            .run()
            .exits(125)
            .plainly()
            .complains(step);
        assert_eq!(daemon.ok(&["ps", "-aq"]), "", "after a failure at {step}");
        before.assert_restored(&daemon);
    }
}

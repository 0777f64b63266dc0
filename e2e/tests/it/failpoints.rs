//! A start that fails at any step undoes what came before it. The daemon has a hidden switch for this:
//! `GANTRY_FAIL_AT=<step>` makes the engine fail right after that step.

use std::sync::Arc;

use gantry_testkit::{Daemon, NetworkHost, Options, busybox};

/// The steps of a create and a start, in their order; the engine names them.
const STEPS: [&str; 12] = [
    "create-volume",
    "create-layer",
    "create-files",
    "create-record",
    "start-network",
    "start-bundle",
    "start-shim",
    "start-task",
    "start-plug",
    "start-attach",
    "start-process",
    "start-record",
];

#[test]
fn every_step_of_a_start_is_undone() {
    for step in STEPS {
        let environment = vec![("GANTRY_FAIL_AT".to_owned(), step.to_owned())];
        let host = Arc::new(NetworkHost::new());
        let network = Some(Arc::clone(&host));
        let daemon = Daemon::start_with(Options { environment, network, ..Options::default() });
        daemon.load(&busybox());
        let run = || {
            daemon
                .gantry(&["run", "--rm", "-p", "8080:80", "-v", "/data", "busybox", "true"])
                .run()
                .exits(125)
                .plainly()
                .complains(step);
        };
        // What the first start makes for all that follow is there.
        run();
        let before = daemon.snapshot();
        run();
        assert_eq!(daemon.ok(&["ps", "-aq"]), "", "after a failure at {step}");
        assert_eq!(daemon.ok(&["volume", "ls", "-q"]), "", "after a failure at {step}");
        let network = daemon.http("GET", "/networks/bridge", &[]).json();
        assert_eq!(network["Containers"], serde_json::json!({}), "after a failure at {step}");
        let links = host.prints("ip", &["-o", "link"]);
        assert!(!links.contains("veth"), "after a failure at {step}: {links}");
        let rules = host.prints("nft", &["list", "ruleset"]);
        assert!(!rules.contains("8080"), "after a failure at {step}: {rules}");
        before.assert_restored(&daemon);
    }
}

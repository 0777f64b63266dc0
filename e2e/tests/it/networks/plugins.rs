//! Networks and addresses that a plugin gives: another program, which speaks Docker's protocols over its socket.

use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use gantry_testkit::{Daemon, NetworkHost, Options, busybox, poll};

/// The plugin of this test; it ends with it.
struct Plugin(Child);

impl Plugin {
    fn start(host: &NetworkHost, folder: &Path) -> Self {
        let socket = folder.join("cable.sock");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/networks/plugin.py");
        let mut command = host.command("python3");
        command.arg(script).arg(&socket).arg(folder.join("journal"));
        let child = command.spawn().expect("start the plugin");
        poll("the plugin listens", || socket.exists().then_some(()));
        Self(child)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // It may have ended by itself; then the test has told why.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_plugin_makes_networks_and_gives_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::new(NetworkHost::new());
    let _plugin = Plugin::start(&host, folder.path());
    let flags = vec!["--plugin-dir".to_owned(), folder.path().display().to_string()];
    let network = Some(Arc::clone(&host));
    let daemon = Daemon::start_with(Options { network, flags, ..Options::default() });
    daemon.load(&busybox());

    let create = ["network", "create", "-d", "cable", "--ipam-driver", "cable", "far"];
    daemon.ok(&create);
    let format =
        "{{.Driver}} {{.IPAM.Driver}} {{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}";
    let told = daemon.ok(&["network", "inspect", "-f", format, "far"]);
    assert_eq!(told.trim(), "cable cable 10.77.0.0/24 10.77.0.1");
    let run = ["run", "-d", "--name", "box", "--network", "far", "busybox", "sleep", "1000"];
    daemon.ok(&run);
    let addresses = daemon.ok(&["exec", "box", "ip", "-4", "-o", "addr", "show", "dev", "eth0"]);
    assert!(addresses.contains("10.77.0.2/24"), "{addresses}");
    let routes = daemon.ok(&["exec", "box", "ip", "route"]);
    assert!(routes.contains("default via 10.77.0.1 dev eth0"), "{routes}");
    daemon.ok(&["network", "disconnect", "far", "box"]);
    let links = daemon.ok(&["exec", "box", "ip", "link"]);
    assert!(!links.contains("eth0"), "{links}");
    daemon.ok(&["network", "connect", "far", "box"]);
    daemon.ok(&["rm", "-f", "box"]);
    daemon.ok(&["network", "rm", "far"]);

    let fails = ["network", "create", "-d", "cable", "-o", "fail=yes", "never"];
    daemon.gantry(&fails).run().exits(1).complains("told to fail");
    daemon.gantry(&["network", "inspect", "never"]).run().exits(1).complains("not found");
    let nobody = ["network", "create", "-d", "nobody", "never"];
    daemon.gantry(&nobody).run().exits(1).complains("could not find plugin nobody");

    let journal = std::fs::read_to_string(folder.path().join("journal")).unwrap();
    let count = |method: &str| journal.lines().filter(|line| *line == method).count();
    for (one, other) in [
        ("NetworkDriver.CreateEndpoint", "NetworkDriver.DeleteEndpoint"),
        ("NetworkDriver.Join", "NetworkDriver.Leave"),
    ] {
        assert_eq!((count(one), count(other)), (2, 2), "{journal}");
    }
    let (given, back) = ("IpamDriver.RequestAddress", "IpamDriver.ReleaseAddress");
    assert_eq!((count(given), count(back)), (3, 3), "two endpoints and the gateway: {journal}");
    assert_eq!(count("IpamDriver.RequestPool"), count("IpamDriver.ReleasePool"), "{journal}");
    assert_eq!(count("NetworkDriver.DeleteNetwork"), 1, "{journal}");
}

#[test]
fn a_plugin_s_networks_have_static_routes_and_several_subnets() {
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::new(NetworkHost::new());
    let _plugin = Plugin::start(&host, folder.path());
    let flags = vec!["--plugin-dir".to_owned(), folder.path().display().to_string()];
    let network = Some(Arc::clone(&host));
    let daemon = Daemon::start_with(Options { network, flags, ..Options::default() });
    daemon.load(&busybox());
    let create = |name: &str, words: &[&str]| {
        let first = ["network", "create", "-d", "cable", "--ipam-driver", "cable"];
        daemon.ok(&[&first, words, &[name]].concat());
    };
    create("routed", &["--subnet", "10.77.0.0/24", "-o", "routes=yes"]);
    let run = ["run", "--rm", "--network", "routed", "busybox", "ip", "route"];
    let routes = daemon.ok(&run);
    for wanted in ["198.51.100.0/24 dev eth0", "203.0.113.0/24 via 10.77.0.9 dev eth0"] {
        assert!(routes.contains(wanted), "{wanted} is not in {routes}");
    }
    create("wrong", &["--subnet", "10.78.0.0/24", "-o", "routes=bad"]);
    let run = ["run", "--rm", "--network", "wrong", "busybox", "true"];
    daemon.gantry(&run).run().exits(125).complains("a static route without a gateway");

    create("several", &["--subnet", "10.79.0.0/30", "--subnet", "10.80.0.0/24"]);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{end}}";
    let told = daemon.ok(&["network", "inspect", "-f", format, "several"]);
    assert_eq!(told.trim(), "10.79.0.0/30 10.79.0.1 10.80.0.0/24 10.80.0.1");
    let address = |flags: &[&str]| {
        let words = [&["run", "-d", "--network", "several"], flags, &["busybox", "sleep", "1000"]];
        let id = daemon.ok(&words.concat());
        let settings = daemon.inspect(&id)["NetworkSettings"]["Networks"]["several"].clone();
        let text = |key: &str| settings[key].as_str().unwrap_or_default().to_owned();
        (text("IPAddress"), text("Gateway"), id)
    };
    let (first, gateway, id) = address(&[]);
    assert_eq!((first.as_str(), gateway.as_str()), ("10.79.0.2", "10.79.0.1"));
    // The first pool is full.
    let (second, gateway, _) = address(&[]);
    assert_eq!((second.as_str(), gateway.as_str()), ("10.80.0.2", "10.80.0.1"));
    assert_eq!(address(&["--ip", "10.80.0.77"]).0, "10.80.0.77");
    daemon.ok(&["rm", "-f", &id]);
    assert_eq!(address(&[]).0, "10.79.0.2");
}

#[test]
fn a_plugin_hears_of_the_end_of_a_start_that_a_kill_broke_off() {
    for step in ["start-attach", "start-process"] {
        hears_of_the_end_of_a_start_that_broke_off_at(step);
    }
}

fn hears_of_the_end_of_a_start_that_broke_off_at(step: &str) {
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::new(NetworkHost::new());
    let _plugin = Plugin::start(&host, folder.path());
    let flags = vec!["--plugin-dir".to_owned(), folder.path().display().to_string()];
    let environment = vec![("GANTRY_FAIL_AT".to_owned(), format!("die:{step}"))];
    let network = Some(Arc::clone(&host));
    let daemon = Daemon::start_with(Options { network, flags, environment, ..Options::default() });
    daemon.load(&busybox());
    daemon.ok(&["network", "create", "-d", "cable", "--ipam-driver", "cable", "far"]);
    daemon.ok(&["create", "--name", "box", "--network", "far", "busybox", "sleep", "1000"]);
    assert_ne!(daemon.gantry(&["start", "box"]).run().code, 0);
    daemon.kill();
    // Once more, to see that what was given back stays so.
    for _ in 0..2 {
        daemon.start_again();
        assert_eq!(daemon.inspect("box")["State"]["Status"], "created");
        let journal = std::fs::read_to_string(folder.path().join("journal")).unwrap();
        let count = |method: &str| journal.lines().filter(|line| *line == method).count();
        for method in ["CreateEndpoint", "Join", "Leave", "DeleteEndpoint"] {
            assert_eq!(count(&format!("NetworkDriver.{method}")), 1, "{method}: {journal}");
        }
        // The gateway's address is the network's own.
        assert_eq!(count("IpamDriver.ReleaseAddress"), 1, "{journal}");
        daemon.kill();
    }
    daemon.start_again();
    daemon.ok(&["rm", "box"]);
    daemon.ok(&["network", "rm", "far"]);
}

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

    daemon.ok(&["network", "create", "-d", "cable", "-o", "routes=yes", "routed"]);
    let run = ["run", "--rm", "--network", "routed", "busybox", "true"];
    daemon.gantry(&run).run().exits(125).complains("static routes, which are not there yet");
    daemon.ok(&["network", "rm", "routed"]);
}

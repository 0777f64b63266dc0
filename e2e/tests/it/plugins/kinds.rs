//! Managed plugins of the other kinds: networks and addresses, logs, authorization.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_testkit::{Daemon, NetworkHost, Options, busybox, poll};
use serde_json::{Value, json};

use super::{data_with, inspect, leaves_nothing};

const PROGRAM: &str = env!("CARGO_BIN_EXE_many-plugin");

fn config(kinds: &[&str], network: &str) -> Value {
    let capabilities: &[&str] = if network == "host" { &["CAP_NET_ADMIN"] } else { &[] };
    json!({
        "description": "several kinds",
        "entrypoint": ["/many-plugin"],
        "interface": {"types": kinds, "socket": "many.sock"},
        "linux": {"capabilities": capabilities},
        "network": {"type": network},
    })
}

/// Makes and enables it as `many`.
fn enable(daemon: &Daemon, config: &Value) {
    let ip = ["/sbin/ip", "/usr/sbin/ip", "/bin/ip"];
    let ip = ip.into_iter().find(|path| PathBuf::from(path).exists()).expect("iproute2");
    let programs = [(PROGRAM, "many-plugin"), (ip, "bin/ip")];
    let data = data_with(daemon, "data", (config, &programs));
    daemon.ok(&["plugin", "create", "many", data.to_str().unwrap()]);
    daemon.ok(&["plugin", "enable", "many"]);
}

/// A file that it wrote.
fn file(daemon: &Daemon, name: &str) -> String {
    let id = inspect(daemon, "many")[0]["Id"].as_str().unwrap().to_owned();
    let path = daemon.data_root().join("plugins").join(id).join("rootfs").join(name);
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[test]
fn a_managed_plugin_makes_networks_and_gives_addresses() {
    let network = Some(Arc::new(NetworkHost::new()));
    let daemon = Daemon::start_with(Options { network, ..Options::default() });
    daemon.load(&busybox());
    enable(&daemon, &config(&["docker.networkdriver/1.0", "docker.ipamdriver/1.0"], "host"));
    daemon.ok(&["network", "create", "-d", "many", "--ipam-driver", "many", "far"]);
    let format =
        "{{.Driver}} {{.IPAM.Driver}} {{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}";
    let told = daemon.ok(&["network", "inspect", "-f", format, "far"]);
    assert_eq!(told, "many:latest many:latest 10.78.0.0/24 10.78.0.1");
    let run = ["run", "-d", "--name", "box", "--network", "far", "busybox", "sleep", "1000"];
    daemon.ok(&run);
    let addresses = daemon.ok(&["exec", "box", "ip", "-4", "-o", "addr", "show", "dev", "eth0"]);
    assert!(addresses.contains("10.78.0.2/24"), "{addresses}");
    let routes = daemon.ok(&["exec", "box", "ip", "route"]);
    assert!(routes.contains("default via 10.78.0.1 dev eth0"), "{routes}");
    // Who is in use stays; the next daemon finds it, and its networks.
    let used = daemon.gantry(&["plugin", "disable", "many"]).run();
    used.exits(1).complains("plugin \"many:latest\" is in use by network far");
    daemon.stop();
    daemon.start_again();
    daemon.ok(&["network", "disconnect", "far", "box"]);
    daemon.ok(&["network", "connect", "--ip", "10.78.0.9", "far", "box"]);
    let addresses = daemon.ok(&["exec", "box", "ip", "-4", "-o", "addr", "show", "dev", "eth0"]);
    assert!(addresses.contains("10.78.0.9/24"), "{addresses}");
    daemon.ok(&["rm", "-f", "box"]);
    daemon.ok(&["network", "rm", "far"]);
    let heard = file(&daemon, "heard");
    let count = |method: &str| heard.lines().filter(|line| *line == method).count();
    for (one, other) in [
        ("NetworkDriver.CreateNetwork", "NetworkDriver.DeleteNetwork"),
        ("NetworkDriver.CreateEndpoint", "NetworkDriver.DeleteEndpoint"),
        ("NetworkDriver.Join", "NetworkDriver.Leave"),
        ("IpamDriver.RequestAddress", "IpamDriver.ReleaseAddress"),
        ("IpamDriver.RequestPool", "IpamDriver.ReleasePool"),
    ] {
        assert!(count(one) > 0 && count(one) == count(other), "{one}: {heard}");
    }
    daemon.ok(&["plugin", "disable", "many"]);
    daemon.ok(&["plugin", "rm", "many"]);
    leaves_nothing(&daemon);
}

#[test]
fn a_managed_plugin_takes_logs() {
    let daemon = Daemon::with_busybox();
    enable(&daemon, &config(&["docker.logdriver/1.0"], "none"));
    let run = ["run", "--network", "none", "--name", "told", "--log-driver", "many"];
    daemon
        .ok(&[&run[..], &["--log-opt", "own=option", "busybox", "echo", "hello plugin"]].concat());
    poll("the line in the plugin", || {
        file(&daemon, "taken").contains("hello plugin").then_some(())
    });
    assert_eq!(daemon.ok(&["logs", "told"]), "hello plugin");
    poll("the plugin to be stopped", || {
        file(&daemon, "heard").contains("LogDriver.StopLogging").then_some(())
    });
    let drivers = daemon.ok(&["info", "-f", "{{json .Plugins.Log}}"]);
    assert!(drivers.contains("many:latest"), "{drivers}");
    daemon.ok(&["rm", "told"]);
    daemon.ok(&["plugin", "rm", "-f", "many"]);
    let gone = daemon.gantry(&["create", "--log-driver", "many", "busybox"]).run();
    gone.exits(1).complains("logger: no log driver named 'many' is registered");
    leaves_nothing(&daemon);
}

#[test]
fn a_managed_plugin_guards_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    let settings = |guards: &[&str]| {
        fs::write(&file, json!({"authorization-plugins": guards}).to_string()).unwrap();
    };
    settings(&[]);
    let flags = vec!["--config-file".to_owned(), file.display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    enable(&daemon, &config(&["docker.authz/1.0"], "none"));
    let forbidden = || daemon.http("GET", "/volumes/forbidden", b"");
    assert_eq!(forbidden().status, 404);
    daemon.stop();
    settings(&["many"]);
    daemon.start_again();
    let refused = forbidden();
    assert_eq!(refused.status, 403, "{refused:?}");
    let text = refused.text();
    assert!(text.contains("authorization denied by plugin many: it is forbidden"), "{text}");
    assert_eq!(daemon.http("GET", "/volumes/other", b"").status, 404);
    daemon.stop();
    settings(&[]);
    daemon.start_again();
    assert_eq!(forbidden().status, 404);
    daemon.ok(&["plugin", "rm", "-f", "many"]);
    leaves_nothing(&daemon);
}

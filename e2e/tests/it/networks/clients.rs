//! Networks through other clients: Docker's own command line, and its SDK for Python.

use gantry_testkit::{Daemon, NetworkHost, Options, busybox};
use std::sync::Arc;

use super::Place;

/// The bits that docker-py's users need of networks; its socket is the argument.
const SDK: &str = r#"
import sys, docker
client = docker.DockerClient(base_url="unix://" + sys.argv[1])
pool = docker.types.IPAMPool(subnet="10.52.0.0/24", gateway="10.52.0.1", iprange="10.52.0.128/25")
network = client.networks.create("mine", driver="bridge", ipam=docker.types.IPAMConfig(pool_configs=[pool]),
    labels={"a": "b"}, options={"com.docker.network.driver.mtu": "1400"})
box = client.containers.run("busybox", ["sleep", "1000"], name="box", detach=True)
network.connect(box, ipv4_address="10.52.0.200", aliases=["db"])
box.reload()
settings = box.attrs["NetworkSettings"]["Networks"]
assert settings["mine"]["IPAddress"] == "10.52.0.200", settings
assert "db" in settings["mine"]["Aliases"], settings
network.reload()
assert [it.name for it in network.containers] == ["box"], network.attrs
code, text = box.exec_run(["cat", "/sys/class/net/eth1/mtu"])
assert (code, text.strip()) == (0, b"1400"), text
try:
    network.connect(box)
except docker.errors.APIError as error:
    assert error.status_code == 403 and "already exists in network" in error.explanation, error
else:
    raise AssertionError("connected twice")
network.disconnect(box)
box.reload()
assert list(box.attrs["NetworkSettings"]["Networks"]) == ["bridge"], box.attrs
assert [it.name for it in client.networks.list(filters={"label": "a=b"})] == ["mine"]
box.remove(force=True)
assert client.networks.prune()["NetworksDeleted"] == ["mine"]
"#;

#[test]
fn the_docker_command_line_connects_and_disconnects() {
    let place = Place::new();
    let docker = |words: &[&str]| place.daemon.docker(words).run().success();
    docker(&["network", "create", "--subnet", "10.51.0.0/24", "one"]);
    docker(&[
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "10.52.0.0/24",
        "--subnet",
        "fd00:52::/64",
        "two",
    ]);
    docker(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "one",
        "--ip",
        "10.51.0.9",
        "busybox",
        "sleep",
        "1000",
    ]);
    docker(&["network", "connect", "--ip6", "fd00:52::9", "--alias", "db", "two", "box"]);
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}";
    assert_eq!(docker(&["inspect", "-f", format, "box"]).trim(), "10.51.0.9  10.52.0.2 fd00:52::9");
    let format = "{{range .Containers}}{{.IPv4Address}} {{.IPv6Address}}{{end}}";
    assert_eq!(docker(&["network", "inspect", "-f", format, "two"]), "10.52.0.2/24 fd00:52::9/64");
    docker(&["network", "disconnect", "one", "box"]);
    docker(&["run", "--rm", "--network", "container:box", "busybox", "ip", "link", "show", "eth1"]);
    let again = place.daemon.docker(&["network", "connect", "two", "box"]).run();
    again.exits(1).complains("endpoint with name box already exists in network two");
}

#[test]
fn the_sdk_for_python_connects_and_disconnects() {
    let place = Place::new();
    let socket = place.daemon.socket().display().to_string();
    let mut script = std::process::Command::new(gantry_testkit::python_with_sdk());
    let script = script.args(["-c", SDK, &socket]).output().unwrap();
    let said = String::from_utf8_lossy(&script.stderr);
    assert!(script.status.success(), "{said}");
}

#[test]
fn the_default_bridge_is_as_the_daemon_is_told() {
    let host = Arc::new(NetworkHost::new());
    let flags = [
        "--bip=10.60.0.1/16",
        "--fixed-cidr=10.60.4.0/24",
        "--ipv6",
        "--bip6=fd00:60::1/64",
        "--mtu=1400",
        "--icc=false",
        "--default-address-pool=base=10.61.0.0/16,size=24",
        "--default-network-opt=bridge=com.docker.network.driver.mtu=1300",
    ];
    let flags = flags.map(str::to_owned).to_vec();
    let network = Some(Arc::clone(&host));
    let daemon = Daemon::start_with(Options { network, flags, ..Options::default() });
    daemon.load(&busybox());
    let shown = daemon.ok(&["run", "--rm", "busybox", "ip", "-o", "addr", "show", "dev", "eth0"]);
    assert!(shown.contains("10.60.4.0/16") && shown.contains("fd00:60::2/64"), "{shown}");
    let link = daemon.ok(&["run", "--rm", "busybox", "cat", "/sys/class/net/eth0/mtu"]);
    assert_eq!(link.trim(), "1400");
    daemon.ok(&["network", "create", "one"]);
    daemon.ok(&["network", "create", "two"]);
    let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}} {{index .Options \"com.docker.network.driver.mtu\"}}";
    assert_eq!(daemon.ok(&["network", "inspect", "-f", format, "two"]).trim(), "10.61.1.0/24 1300");
    // A small pool is soon full.
    let flags = vec!["--default-address-pool=base=10.62.0.0/24,size=25".to_owned()];
    let network = Some(Arc::new(NetworkHost::new()));
    let small = Daemon::start_with(Options { network, flags, ..Options::default() });
    small.ok(&["network", "create", "one"]);
    let full = ["network", "create", "two"];
    small.gantry(&full).run().exits(1).complains("non-overlapping IPv4 address pool");
}

/// What both command lines are asked.
const WORDS: &[&[&str]] = &[
    &["network", "ls"],
    &["network", "ls", "--no-trunc"],
    &["network", "ls", "-q"],
    &["network", "ls", "-q", "--no-trunc"],
    &[
        "network",
        "ls",
        "--filter",
        "driver=bridge",
        "--format",
        "{{.Name}}: {{.ID}} {{.Scope}} {{.IPv6}} {{.Internal}}",
    ],
    &["network", "ls", "--format", "table {{.Name}}\t{{.Labels}}"],
    &["network", "ls", "--filter", "label=a=b", "--format", "{{.Labels}}"],
    &["network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"],
    &["network", "ls", "--filter", "dangling=true", "-q"],
    &["network", "ls", "--filter", "nothing=true"],
    &[
        "network",
        "inspect",
        "-f",
        "{{.IPAM.Driver}} {{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{end}}{{.Internal}}",
        "one",
        "two",
    ],
    &[
        "network",
        "inspect",
        "-f",
        "{{range $id, $it := .Containers}}{{$it.Name}} {{$it.IPv4Address}} {{$it.MacAddress}}{{end}}",
        "one",
    ],
    &["network", "inspect", "-f", "{{.Name}}", "one", "nowhere"],
    &["network", "create", "one"],
    &["network", "create", "--subnet", "10.51.0.0/25", "x"],
    &["network", "rm", "one"],
    &["network", "rm", "bridge"],
    &["network", "rm", "nowhere"],
    &["network", "connect", "one", "web"],
    &["network", "connect", "nowhere", "web"],
    &["network", "disconnect", "two", "web"],
    &["port", "web"],
    &["port", "web", "80"],
    &["port", "web", "80/tcp"],
    &["port", "web", "53/udp"],
    &["port", "web", "81"],
    &["port", "bare"],
    &["port", "nobody"],
];

/// Lists, documents and errors, word for word; what differs between versions of Docker's command line is left out.
#[test]
fn both_command_lines_say_the_same() {
    let place = Place::new();
    let daemon = &place.daemon;
    // Docker's command line writes several labels in another order each time.
    let one = ["--subnet", "10.51.0.0/24", "--label", "a=b", "one"];
    daemon.ok(&[&["network", "create"], &one[..]].concat());
    let two = ["--subnet", "10.52.0.0/24", "--subnet", "fd00:52::/64", "--label", "c", "two"];
    daemon.ok(&[&["network", "create", "--ipv6", "--internal"], &two[..]].concat());
    place.serve(
        "web",
        &["--network", "one", "-p", "8080:80", "-p", "127.0.0.1:443:443", "-p", "53:53/udp"],
    );
    place.serve("bare", &["--network", "two"]);
    for words in WORDS {
        let (ours, theirs) = (daemon.gantry(words).run(), daemon.docker(words).run());
        // Older ones write no brackets around addresses of IPv6.
        let plain = |text: &str| text.replace(":::", "[::]:");
        assert_eq!(plain(&ours.stdout), plain(&theirs.stdout), "{words:?}");
        assert_eq!(ours.code, theirs.code, "{words:?}: {ours} {theirs}");
        // Some commands of Docker's say that they failed besides.
        let said = theirs.stderr.trim_end_matches("exit status 1\n");
        assert_eq!(ours.stderr, said, "{words:?}");
    }
    let pages = |said: String| serde_json::from_str::<serde_json::Value>(&said).unwrap();
    let words = ["network", "inspect", "one", "two", "bridge", "none", "host"];
    let (mut ours, theirs) =
        (pages(daemon.ok(&words)), pages(daemon.docker(&words).run().success()));
    for (ours, theirs) in ours.as_array_mut().unwrap().iter_mut().zip(theirs.as_array().unwrap()) {
        let ours = ours.as_object_mut().unwrap();
        // Of a newer version of the API than that command line speaks.
        if theirs.get("Status").is_none() {
            let status = ours.remove("Status").unwrap();
            assert!(status["IPAM"].is_object(), "{status}");
        }
        assert_eq!(serde_json::to_value(ours).unwrap(), *theirs);
    }
    daemon.ok(&["rm", "-f", "web", "bare"]);
    let pruned = daemon.docker(&["network", "prune", "-f"]).run();
    pruned.prints("Deleted Networks:\none\ntwo\n\n");
    daemon.gantry(&["network", "prune", "-f"]).run().prints("");
    daemon.ok(&[&["network", "create"], &one[..]].concat());
    daemon.gantry(&["network", "prune", "-f"]).run().prints("Deleted Networks:\none\n\n");
}

#[test]
fn how_full_a_network_is_is_told_to_those_who_know_of_it() {
    let place = Place::new();
    let daemon = &place.daemon;
    let create = [
        "network",
        "create",
        "--subnet",
        "10.51.0.0/28",
        "--ip-range",
        "10.51.0.8/29",
        "--aux-address",
        "a=10.51.0.9",
        "one",
    ];
    daemon.ok(&create);
    let run = ["run", "-d", "--name", "box", "--network", "one", "busybox", "sleep", "1000"];
    daemon.ok(&run);
    let told = |version: &str| {
        let reply = daemon.http("GET", &format!("{version}/networks/one"), &[]);
        reply.json()["Status"].clone()
    };
    // The subnet's own, that of broadcasts, the gateway (the first of the range), `a` and the container; all but the first are of the range.
    let subnet = serde_json::json!({"IPsInUse": 5, "DynamicIPsAvailable": 4});
    let wanted = serde_json::json!({"IPAM": {"Subnets": {"10.51.0.0/28": subnet}}});
    assert_eq!(told(""), wanted);
    assert_eq!(told("/v1.52"), wanted);
    assert!(told("/v1.51").is_null());
    let none = daemon.http("GET", "/networks/none", &[]).json()["Status"].clone();
    assert_eq!(none, serde_json::json!({"IPAM": {}}));
    let list = daemon.http("GET", "/networks", &[]).json();
    assert!(list.as_array().unwrap().iter().all(|network| network.get("Status").is_none()));
}

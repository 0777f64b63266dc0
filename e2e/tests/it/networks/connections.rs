//! Networks of a container come and go: before it starts, while it runs, after it has ended, and over the daemon's death.

use gantry_testkit::{Daemon, poll};

use super::{Place, page, refuses};

/// One device per line: its name and IPv4 address.
pub(super) fn devices(daemon: &Daemon, container: &str) -> Vec<String> {
    let text = daemon.ok(&["exec", container, "ip", "-4", "-o", "addr"]);
    let words = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(format!("{} {}", words.get(1)?, words.get(3)?))
    };
    text.lines().filter_map(words).filter(|line| !line.starts_with("lo ")).collect()
}

pub(super) fn way_out(daemon: &Daemon, container: &str) -> String {
    let text = daemon.ok(&["exec", container, "ip", "route"]);
    let default = text.lines().find_map(|line| line.strip_prefix("default via "));
    default.unwrap_or_default().trim().to_owned()
}

pub(super) fn networks(daemon: &Daemon, container: &str) -> String {
    let format =
        "{{range $name, $it := .NetworkSettings.Networks}}{{$name}}={{$it.IPAddress}} {{end}}";
    daemon.ok(&["inspect", "-f", format, container]).trim().to_owned()
}

fn with_networks() -> Place {
    add_networks(Place::new())
}

pub(super) fn add_networks(place: Place) -> Place {
    for (name, subnet) in [("one", "10.50.1.0/24"), ("two", "10.50.2.0/24")] {
        place.daemon.ok(&["network", "create", "--subnet", subnet, name]);
    }
    place
}

pub(super) fn fails(daemon: &Daemon, words: &[&str], says: &str) {
    daemon.gantry(words).run().exits(1).complains(says);
}

#[test]
fn a_running_container_is_connected_and_disconnected() {
    let place = with_networks();
    let daemon = &place.daemon;
    place.serve("web", &["--network", "one", "-p", "8080:80"]);
    daemon.ok(&["network", "connect", "--ip", "10.50.2.9", "--alias", "www", "two", "web"]);
    assert_eq!(devices(daemon, "web"), ["eth0 10.50.1.2/24", "eth1 10.50.2.9/24"]);
    assert_eq!(networks(daemon, "web"), "one=10.50.1.2 two=10.50.2.9");
    assert_eq!(way_out(daemon, "web"), "10.50.1.1 dev eth0");
    let near = ["run", "--rm", "--network", "two", "busybox", "wget", "-q", "-O", "-", "10.50.2.9"];
    assert_eq!(daemon.ok(&near).trim(), "web");

    fails(
        daemon,
        &["network", "connect", "two", "web"],
        "endpoint with name web already exists in network two",
    );
    fails(daemon, &["network", "rm", "two"], "has active endpoints");
    // The way out moves, and the published port with it.
    daemon.ok(&["network", "disconnect", "one", "web"]);
    assert_eq!(devices(daemon, "web"), ["eth1 10.50.2.9/24"]);
    assert_eq!(way_out(daemon, "web"), "10.50.2.1 dev eth1");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    assert!(daemon.ok(&["port", "web"]).contains("8080"));
    fails(daemon, &["network", "disconnect", "one", "web"], "is not connected to the network one");
    // The first free name, as a new container's first device has it.
    daemon.ok(&["network", "connect", "one", "web"]);
    assert_eq!(devices(daemon, "web"), ["eth1 10.50.2.9/24", "eth0 10.50.1.2/24"]);
    daemon.ok(&["network", "disconnect", "one", "web"]);
    daemon.ok(&["network", "disconnect", "two", "web"]);
    assert_eq!(networks(daemon, "web"), "");
    assert!(refuses(&place.outside, "192.0.2.1:8080"));
    daemon.ok(&["network", "connect", "two", "web"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
}

#[test]
fn a_connection_that_fails_late_leaves_ports_and_ways_out_where_they_were() {
    let fail_at = ("GANTRY_FAIL_AT".to_owned(), "connect-record".to_owned());
    let place = add_networks(Place::with(vec![fail_at]));
    let daemon = &place.daemon;
    place.serve("web", &["--network", "one", "-p", "8080:80"]);
    let better = ["network", "connect", "--gw-priority", "5", "two", "web"];
    fails(daemon, &better, "connect-record");
    assert_eq!(devices(daemon, "web"), ["eth0 10.50.1.2/24"]);
    assert_eq!(way_out(daemon, "web"), "10.50.1.1 dev eth0");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    assert!(daemon.ok(&["port", "web"]).contains("8080"));
    // Nothing leads out: the ports come with the next network, and go with it.
    daemon.ok(&["network", "disconnect", "one", "web"]);
    fails(daemon, &better, "connect-record");
    assert!(refuses(&place.outside, "192.0.2.1:8080"));
    place.serve("next", &["--network", "two", "-p", "8080:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "next");
}

#[test]
fn a_network_s_name_may_begin_another_one_s_id() {
    let place = with_networks();
    let daemon = &place.daemon;
    let id = daemon.ok(&["network", "inspect", "-f", "{{.Id}}", "one"]);
    let (short, name) = (&id[..12], &id[..3]);
    daemon.ok(&["network", "create", "--subnet", "10.50.3.0/24", name]);
    daemon.ok(&["run", "-d", "--name", "box", "--network", name, "busybox", "sleep", "1000"]);
    daemon.ok(&["network", "connect", "one", "box"]);
    daemon.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(devices(daemon, "box").len(), 2);
    daemon.ok(&["network", "disconnect", "one", "box"]);
    daemon.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(networks(daemon, "box"), format!("{name}=10.50.3.2"));
    // By the beginning of its id, a network is known for good.
    daemon.ok(&["run", "-d", "--name", "two", "--network", short, "busybox", "sleep", "1000"]);
    daemon.ok(&["network", "disconnect", "one", "two"]);
    assert_eq!(networks(daemon, "two"), "");
}

#[test]
fn connections_stay_over_stops_and_the_daemon_s_death() {
    let place = with_networks();
    let daemon = &place.daemon;
    daemon.ok(&["create", "--name", "box", "--network", "one", "busybox", "sleep", "1000"]);
    daemon.ok(&["network", "connect", "--ip", "10.50.2.7", "two", "box"]);
    daemon.ok(&["start", "box"]);
    assert_eq!(devices(daemon, "box"), ["eth0 10.50.1.2/24", "eth1 10.50.2.7/24"]);
    daemon.ok(&["run", "-d", "--name", "next", "--network", "one", "busybox", "sleep", "1000"]);
    daemon.ok(&["restart", "-t", "0", "next"]);
    assert_eq!(networks(daemon, "next"), "one=10.50.1.3");

    daemon.kill();
    daemon.start_again();
    assert_eq!(networks(daemon, "box"), "one=10.50.1.2 two=10.50.2.7");
    daemon.ok(&["network", "disconnect", "two", "box"]);
    daemon.ok(&["network", "connect", "bridge", "box"]);
    daemon.kill();
    daemon.start_again();
    assert_eq!(networks(daemon, "box"), "bridge=172.17.0.2 one=10.50.1.2");

    daemon.ok(&["stop", "-t", "0", "box"]);
    daemon.ok(&["network", "disconnect", "bridge", "box"]);
    daemon.ok(&["network", "connect", "two", "box"]);
    daemon.ok(&["start", "box"]);
    // It is asked which ones it is in, not which ones it was in; and it has its address again.
    assert_eq!(networks(daemon, "box"), "one=10.50.1.2 two=10.50.2.2");
}

#[test]
fn several_networks_are_asked_for_at_once() {
    let place = with_networks();
    let daemon = &place.daemon;
    let flags = [
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "one",
        "--network",
        "name=two,ip=10.50.2.8,gw-priority=5,mac-address=02:00:00:00:00:08,\
         driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1",
        "busybox",
        "sleep",
        "1000",
    ];
    daemon.ok(&flags);
    assert_eq!(devices(daemon, "box"), ["eth0 10.50.2.8/24", "eth1 10.50.1.2/24"]);
    assert_eq!(way_out(daemon, "box"), "10.50.2.1 dev eth0");
    let cat = |path: &str| daemon.ok(&["exec", "box", "cat", path]).trim().to_owned();
    assert_eq!(cat("/sys/class/net/eth0/address"), "02:00:00:00:00:08");
    assert_eq!(cat("/proc/sys/net/ipv4/conf/eth0/log_martians"), "1");
    // A better one takes the way out over.
    daemon.ok(&["network", "connect", "--gw-priority", "9", "bridge", "box"]);
    assert_eq!(way_out(daemon, "box"), "172.17.0.1 dev eth2");
    daemon.ok(&["network", "disconnect", "bridge", "box"]);
    assert_eq!(way_out(daemon, "box"), "10.50.2.1 dev eth0");
    let twice = ["run", "--rm", "--network", "one", "--network", "one", "busybox", "true"];
    daemon.gantry(&twice).run().exits(125).complains("specified multiple times");
    let id = daemon.ok(&["network", "inspect", "-f", "{{.Id}}", "one"]);
    let twice = ["run", "--rm", "--network", "one", "--network", id.trim(), "busybox", "true"];
    daemon.gantry(&twice).run().exits(125).complains("network one");
    assert_eq!(daemon.ok(&["network", "inspect", "-f", "{{len .Containers}}", "one"]).trim(), "1");
}

#[test]
fn the_short_flags_add_to_what_is_said_of_the_first_network() {
    let place = with_networks();
    let daemon = &place.daemon;
    let first = "name=one,ip=10.50.1.9,alias=first";
    let run = ["run", "-d", "--name", "box", "--network", first];
    let rest = ["--mac-address", "02:00:00:00:00:09", "busybox", "sleep", "1000"];
    daemon.ok(&[&run[..], &rest].concat());
    assert_eq!(networks(daemon, "box"), "one=10.50.1.9");
    for (flag, value, both) in [
        ("--ip", "10.50.1.10", "--ip and per-network IPv4 address"),
        ("--network-alias", "second", "--network-alias and per-network alias"),
    ] {
        let twice = ["run", "--rm", "--network", first, flag, value, "busybox", "true"];
        daemon.gantry(&twice).run().exits(125).complains(both);
    }
}

#[test]
fn networks_on_the_host_s_own_devices_publish_nothing() {
    let place = Place::new();
    let daemon = &place.daemon;
    let own = ["--subnet", "10.60.0.0/24", "-o", "parent=wire", "own"];
    daemon.ok(&[&["network", "create", "-d", "macvlan"], &own[..]].concat());
    for name in ["one", "two"] {
        let run = ["run", "-d", "--name", name, "--network", "own", "-p", "8090:80"];
        daemon.ok(&[&run[..], &["busybox", "sleep", "1000"]].concat());
    }
    assert_eq!(daemon.ok(&["port", "one"]), "");
    place.serve("web", &["-p", "8090:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8090"), "web");
}

#[test]
fn containers_without_networks_of_their_own_get_none() {
    let place = with_networks();
    let daemon = &place.daemon;
    let sleep = |name: &str, network: &str| {
        daemon.ok(&["run", "-d", "--name", name, "--network", network, "busybox", "sleep", "1000"]);
    };
    sleep("host", "host");
    sleep("none", "none");
    fails(
        daemon,
        &["network", "connect", "one", "host"],
        "cannot be disconnected from host network",
    );
    fails(daemon, &["network", "connect", "host", "none"], "connected to host network");
    fails(daemon, &["network", "connect", "one", "none"], "private (none) mode");
    fails(daemon, &["network", "connect", "nowhere", "none"], "network nowhere not found");
    fails(daemon, &["network", "connect", "one", "nobody"], "No such container: nobody");
    daemon.ok(&["network", "disconnect", "none", "none"]);
    daemon.ok(&["network", "connect", "one", "none"]);
    assert_eq!(devices(daemon, "none"), ["eth0 10.50.1.2/24"]);
    for (flags, says) in [
        (&["--ip", "10.50.9.9"][..], "no configured subnet contains IP address 10.50.9.9"),
        (&["--ip", "10.50.2.1"], "Address already in use: 10.50.2.1"),
        (&["--ip", "10.50.2.999"], "invalid IPv4 address"),
        (&["--ip6", "fd00::7"], "has no IPv6 addresses"),
        (&["--driver-opt", "com.docker.network.endpoint.nothing=1"], "is not known"),
    ] {
        let words = [&["network", "connect"], flags, &["two", "none"]].concat();
        fails(daemon, &words, says);
        assert_eq!(networks(daemon, "none"), "one=10.50.1.2");
    }
}

#[test]
fn a_container_may_have_another_one_s_network() {
    let place = with_networks();
    let daemon = &place.daemon;
    place.serve("web", &["--network", "one", "--hostname", "webhost"]);
    let join = "container:web";
    let near = ["run", "--rm", "--network", join, "busybox", "wget", "-q", "-O", "-", "127.0.0.1"];
    assert_eq!(daemon.ok(&near).trim(), "web");
    daemon.ok(&["run", "-d", "--name", "side", "--network", join, "busybox", "sleep", "1000"]);
    assert_eq!(devices(daemon, "side"), ["eth0 10.50.1.2/24"]);
    assert_eq!(daemon.ok(&["exec", "side", "hostname"]).trim(), "webhost");
    let hosts = |name: &str| daemon.ok(&["exec", name, "cat", "/etc/hosts"]);
    assert_eq!(hosts("side"), hosts("web"));
    let id = daemon.ok(&["inspect", "-f", "{{.Id}}", "web"]);
    let mode = daemon.ok(&["inspect", "-f", "{{.HostConfig.NetworkMode}}", "side"]);
    assert_eq!(mode.trim(), format!("container:{}", id.trim()));
    fails(daemon, &["network", "connect", "two", "side"], "sharing network namespace");
    // What the one gets, the other one has.
    daemon.ok(&["network", "connect", "two", "web"]);
    assert_eq!(devices(daemon, "side").len(), 2);
    for (flags, says) in [
        (&["-p", "80"][..], "port publishing and the container type network mode"),
        (&["--hostname", "x"], "hostname and the network mode"),
        (&["--dns", "192.0.2.9"], "dns and the network mode"),
        (&["--add-host", "a:192.0.2.9"], "custom host-to-IP mapping"),
        (&["--expose", "80"], "port exposing"),
        (&["--mac-address", "02:00:00:00:00:01"], "mac-address and the network mode"),
    ] {
        let words = [&["run", "--rm", "--network", join], flags, &["busybox", "true"]].concat();
        daemon.gantry(&words).run().exits(125).complains(says);
    }
    daemon.ok(&["stop", "-t", "0", "side", "web"]);
    daemon.gantry(&["start", "side"]).run().exits(1).complains("non running container");
    let nobody = ["run", "--rm", "--network", "container:nobody", "busybox", "true"];
    daemon.gantry(&nobody).run().exits(125).complains("No such container: nobody");
}

#[test]
fn ipv6_is_there_where_it_is_asked_for() {
    let place = Place::new();
    let daemon = &place.daemon;
    daemon.ok(&["network", "create", "--ipv6", "chosen"]);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{end}}{{.EnableIPv6}}";
    let told = daemon.ok(&["network", "inspect", "-f", format, "chosen"]);
    assert!(told.contains(" fd") && told.contains("/64 true"), "{told}");
    let create = [
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "10.50.1.0/24",
        "--subnet",
        "fd00:50::/64",
        "both",
    ];
    daemon.ok(&create);
    let flags = [
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "both",
        "--ip6",
        "fd00:50::9",
        "busybox",
        "sleep",
        "1000",
    ];
    daemon.ok(&flags);
    let format = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}}{{end}}";
    assert_eq!(daemon.ok(&["inspect", "-f", format, "box"]).trim(), "fd00:50::9/64 fd00:50::1");
    let neighbour =
        ["run", "--rm", "--network", "both", "busybox", "ping6", "-c1", "-W5", "fd00:50::9"];
    daemon.ok(&neighbour);
    let plain = daemon.ok(&["run", "--rm", "busybox", "ip", "-6", "addr", "show", "dev", "eth0"]);
    assert_eq!(plain.trim(), "");
    let alone = ["network", "create", "--ipv4=false", "--ipv6", "--subnet", "fd00:51::/64", "six"];
    daemon.ok(&alone);
    let only =
        ["run", "--rm", "--network", "six", "busybox", "ip", "-o", "addr", "show", "dev", "eth0"];
    let only = daemon.ok(&only);
    assert!(only.contains("fd00:51::2/64") && !only.contains("inet 10"), "{only}");
    fails(daemon, &["network", "create", "--subnet", "fd00:52::/64", "wrong"], "give --ipv6");
    fails(
        daemon,
        &["network", "create", "--ipv6", "--subnet", "fd00:50::/60", "wrong"],
        "Pool overlaps",
    );
}

#[test]
fn what_happens_to_networks_is_told() {
    let place = with_networks();
    let daemon = &place.daemon;
    daemon.ok(&["run", "-d", "--name", "box", "--network", "one", "busybox", "sleep", "1000"]);
    daemon.ok(&["network", "connect", "two", "box"]);
    daemon.ok(&["network", "disconnect", "two", "box"]);
    daemon.ok(&["rm", "-f", "box"]);
    daemon.ok(&["network", "rm", "two"]);
    poll("all is told", || {
        let words = [
            "events",
            "--since",
            "1",
            "--until",
            "0s",
            "--filter",
            "type=network",
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}}",
        ];
        let text = daemon.ok(&words);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "create one",
            "create two",
            "connect one",
            "connect two",
            "disconnect two",
            "disconnect one",
            "destroy two",
        ];
        (lines == expected).then_some(())
    });
}

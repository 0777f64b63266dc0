//! The daemon is killed while networks and their containers change: what is there afterwards is what its records say, and who had nothing
//! to do with it notices nothing.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use gantry_testkit::poll;
use serde_json::Value;

use super::connections::{add_networks, devices, fails, networks, way_out};
use super::restarts::{Line, host_devices, rules};
use super::{Place, page};

const ROUNDS: u64 = 8;
const CONTAINERS: [&str; 5] = ["aa", "bb", "keeper", "web", "echo"];

/// Whether one container of the scene has on its devices, by its own look, what the daemon says, and a way out.
fn agrees(place: &Place, container: &str) -> Option<()> {
    let inside: BTreeSet<String> = devices(&place.daemon, container)
        .iter()
        .filter_map(|line| Some(line.split(' ').nth(1)?.split('/').next()?.to_owned()))
        .collect();
    let told = networks(&place.daemon, container);
    let told: BTreeSet<String> = told
        .split_whitespace()
        .filter_map(|pair| pair.split_once('=').map(|(_, address)| address.to_owned()))
        .collect();
    (inside == told && !way_out(&place.daemon, container).is_empty()).then_some(())
}

/// Whether the host has the bridges of the networks that there are, and a device for each of their containers, and nothing else.
fn host_agrees(place: &Place) -> Option<()> {
    let all = place.http_json("/networks");
    let bridges = all.as_array()?.iter().filter(|network| network["Driver"] == "bridge");
    let mut wanted = BTreeSet::new();
    let mut containers = 0;
    for network in bridges {
        let id = network["Id"].as_str()?;
        let network = place.http_json(&format!("/networks/{id}"));
        let own = network["Options"]["com.docker.network.bridge.name"].as_str();
        wanted.insert(own.map_or_else(|| format!("br-{}", &id[..12]), str::to_owned));
        containers += network["Containers"].as_object()?.len();
    }
    let found = host_devices(place);
    let ends = found.iter().filter(|name| name.starts_with("veth")).count();
    let is_bridge = |name: &&String| name.starts_with("br-") || name.starts_with("gantry");
    let found: BTreeSet<String> = found.iter().filter(is_bridge).cloned().collect();
    (found == wanted && ends == containers).then_some(())
}

impl Place {
    fn http_json(&self, target: &str) -> Value {
        self.daemon.http("GET", target, &[]).json()
    }
}

#[test]
fn nothing_half_made_is_left_of_changes_that_a_kill_broke_off() {
    let place = Place::new();
    let daemon = &place.daemon;
    let both = ["--ipv6", "--subnet", "10.50.2.0/24", "--subnet", "fd00:50::/64", "two"];
    daemon.ok(&["network", "create", "--subnet", "10.50.1.0/24", "one"]);
    daemon.ok(&[&["network", "create"], &both[..]].concat());
    for (name, network) in [("aa", "one"), ("bb", "one"), ("keeper", "two")] {
        place.serve(name, &["--network", network]);
    }
    let echo = ["busybox", "nc", "-ll", "-p", "80", "-e", "cat"];
    daemon.ok(&[&["run", "-d", "--name", "echo", "-p", "8080:80"], &echo[..]].concat());
    place.serve("web", &["--network", "one", "-p", "8081:80"]);
    assert_eq!(page(&place.outside, "192.0.2.1:8081"), "web");
    poll("the container listens", || {
        let table = daemon.ok(&["exec", "echo", "cat", "/proc/net/tcp", "/proc/net/tcp6"]);
        table.contains(":0050 0000").then_some(())
    });
    let mut line = Line::open(&place.outside, "192.0.2.1");
    line.talks("before");
    let before = (host_devices(&place), rules(&place));
    for round in 0..ROUNDS {
        thread::scope(|scope| {
            let many = |jobs: Vec<Vec<String>>| {
                scope.spawn(move || {
                    for words in jobs {
                        let words: Vec<&str> = words.iter().map(String::as_str).collect();
                        drop(daemon.gantry(&words).run());
                    }
                });
            };
            let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            for name in ["aa", "bb"] {
                let connect = words(format!("network connect two {name}"));
                let disconnect = words(format!("network disconnect two {name}"));
                many(vec![connect.clone(), disconnect.clone(), connect, disconnect]);
            }
            many(vec![
                words(format!("network create --ipv6 net{round}")),
                words(format!("run --rm --network net{round} -p {}:80 busybox true", 9000 + round)),
                words(format!("network rm net{round}")),
            ]);
            many(vec![words("run --rm --network two busybox true".to_owned())]);
            // No state to wait for: the moments are to be all over these commands.
            thread::sleep(Duration::from_millis(4 + 17 * round));
            daemon.kill();
        });
        line.talks("without a daemon");
        daemon.start_again();
        for name in CONTAINERS {
            poll(&format!("{name} has what is told of it"), || agrees(&place, name));
        }
        poll("nothing else is left in containers", || {
            let ps = daemon.ok(&["ps", "-a", "--format", "{{.Names}}"]);
            let others: Vec<&str> = ps.lines().filter(|name| !CONTAINERS.contains(name)).collect();
            for name in &others {
                drop(daemon.gantry(&["rm", "-f", name]).run());
            }
            others.is_empty().then_some(())
        });
        poll("the host has what is told of networks", || host_agrees(&place));
        assert_eq!(page(&place.outside, "192.0.2.1:8081"), "web");
        line.talks("with the next");
        for name in ["aa", "bb"] {
            drop(daemon.gantry(&["network", "disconnect", "two", name]).run());
            assert!(networks(daemon, name).starts_with("one="), "{}", networks(daemon, name));
        }
        daemon.ok(&["network", "prune", "-f"]);
    }
    poll("all is as it was", || ((host_devices(&place), rules(&place)) == before).then_some(()));
}

#[test]
fn a_network_that_was_being_left_is_left() {
    let fail_at = ("GANTRY_FAIL_AT".to_owned(), "disconnect-record".to_owned());
    let place = add_networks(Place::with(vec![fail_at]));
    let daemon = &place.daemon;
    place.serve("web", &["--network", "one", "-p", "8080:80"]);
    daemon.ok(&["network", "connect", "two", "web"]);
    // The last thing that it does is not done.
    fails(daemon, &["network", "disconnect", "one", "web"], "disconnect-record");
    daemon.kill();
    daemon.start_again();
    assert_eq!(devices(daemon, "web"), ["eth1 10.50.2.2/24"]);
    assert_eq!(networks(daemon, "web"), "two=10.50.2.2");
    assert_eq!(way_out(daemon, "web"), "10.50.2.1 dev eth1");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    let hosts = daemon.ok(&["exec", "web", "cat", "/etc/hosts"]);
    assert!(hosts.contains("10.50.2.2\t") && !hosts.contains("10.50.1."), "{hosts}");
    daemon.ok(&["network", "rm", "one"]);
}

#[test]
fn a_container_that_starts_again_has_its_addresses_again() {
    let place = Place::new();
    let daemon = &place.daemon;
    let both = ["--ipv6", "--subnet", "10.50.2.0/24", "--subnet", "fd00:50::/64", "two"];
    daemon.ok(&[&["network", "create"], &both[..]].concat());
    for name in ["aa", "bb", "cc"] {
        daemon.ok(&["run", "-d", "--name", name, "--network", "two", "busybox", "sleep", "1000"]);
    }
    let own = |name: &str| {
        let settings = daemon.inspect(name)["NetworkSettings"]["Networks"]["two"].clone();
        ["IPAddress", "GlobalIPv6Address", "MacAddress"].map(|key| settings[key].clone())
    };
    let (b, c) = (own("bb"), own("cc"));
    daemon.ok(&["stop", "-t", "0", "aa", "bb"]);
    daemon.kill();
    daemon.start_again();
    // Others start first, and the lowest addresses are free.
    daemon.ok(&["restart", "-t", "0", "cc"]);
    daemon.ok(&["start", "bb"]);
    assert_eq!((own("bb"), own("cc")), (b, c));
    daemon.ok(&["start", "aa"]);
}

/// A host whose daemon dies at this step, once.
fn dies_at(step: &str) -> Vec<(String, String)> {
    vec![("GANTRY_FAIL_AT".to_owned(), format!("die:{step}"))]
}

#[test]
fn a_container_whose_start_nobody_wrote_down_has_its_network_and_ports() {
    let place = Place::with(dies_at("start-record"));
    let daemon = &place.daemon;
    daemon.ok(&["network", "create", "--subnet", "10.50.1.0/24", "one"]);
    let script = "mkdir /www && echo web >/www/index.html && exec httpd -f -p 80 -h /www";
    let flags = ["run", "-d", "--name", "web", "--network", "one", "-p", "8080:80"];
    let words = [&flags[..], &["busybox", "sh", "-c", script]].concat();
    assert_ne!(daemon.gantry(&words).run().code, 0);
    daemon.kill();
    daemon.start_again();
    assert_eq!(networks(daemon, "web"), "one=10.50.1.2");
    assert_eq!(devices(daemon, "web"), ["eth0 10.50.1.2/24"]);
    assert_eq!(way_out(daemon, "web"), "10.50.1.1 dev eth0");
    assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    daemon.ok(&["rm", "-f", "web"]);
    daemon.ok(&["network", "rm", "one"]);
}

#[test]
fn a_container_that_never_ran_keeps_no_place_in_networks() {
    let place = Place::with(dies_at("start-process"));
    let daemon = &place.daemon;
    daemon.ok(&["network", "create", "--subnet", "10.50.1.0/24", "one"]);
    let flags = ["run", "-d", "--name", "web", "--network", "one", "-p", "8080:80"];
    let words = [&flags[..], &["busybox", "sleep", "1000"]].concat();
    let before = host_devices(&place);
    assert_ne!(daemon.gantry(&words).run().code, 0);
    daemon.kill();
    daemon.start_again();
    assert_eq!(daemon.inspect("web")["State"]["Status"], "created");
    poll("its device is gone", || (host_devices(&place) == before).then_some(()));
    // Nobody is in it.
    daemon.ok(&["network", "rm", "one"]);
    daemon.ok(&["rm", "web"]);
}

#[test]
fn a_device_that_was_just_plugged_in_is_taken_out_again() {
    let place = Place::with(dies_at("connect-plugged"));
    let daemon = &place.daemon;
    daemon.ok(&["network", "create", "--subnet", "10.50.1.0/24", "one"]);
    let own = ["--subnet", "10.60.0.0/24", "-o", "parent=wire", "own"];
    daemon.ok(&[&["network", "create", "-d", "macvlan"], &own[..]].concat());
    place.serve("web", &["--network", "one", "-p", "8080:80"]);
    for network in ["own", "bridge"] {
        assert_ne!(daemon.gantry(&["network", "connect", network, "web"]).run().code, 0);
        daemon.kill();
        daemon.start_again();
        // The container runs on in its one network, and has one device.
        assert_eq!(devices(daemon, "web"), ["eth0 10.50.1.2/24"]);
        let links = daemon.ok(&["exec", "web", "ip", "-o", "link"]);
        assert_eq!(links.lines().count(), 2, "{links}");
        assert_eq!(networks(daemon, "web"), "one=10.50.1.2");
        assert_eq!(way_out(daemon, "web"), "10.50.1.1 dev eth0");
        assert_eq!(page(&place.outside, "192.0.2.1:8080"), "web");
    }
    // Nobody holds the network, nor its addresses.
    daemon.ok(&["network", "rm", "own"]);
}

//! `linux.netDevices`: devices of the host's in the container, as it sees them.

use std::process::Command;

use serde_json::json;

use crate::bed::{Bed, wait_until};

/// A pair of devices on the host; one end is for a container. What is left goes with this.
struct Pair {
    name: String,
    peer: String,
}

impl Pair {
    fn new(bed: &Bed) -> Self {
        // At most 15 letters.
        let (run, number) = bed.id[1..].split_once('-').unwrap();
        let pair = Self { name: format!("gd{run}.{number}"), peer: format!("gp{run}.{number}") };
        ip(&["link", "add", &pair.name, "type", "veth", "peer", "name", &pair.peer]);
        ip(&["addr", "add", "192.0.2.7/24", "dev", &pair.name]);
        ip(&["-6", "addr", "add", "2001:db8:7::9/64", "dev", &pair.name, "nodad"]);
        ip(&["link", "set", &pair.name, "up"]);
        ip(&["link", "set", &pair.peer, "up"]);
        pair
    }

    fn on_host(&self) -> String {
        let output = Command::new("ip").args(["-o", "addr", "show", "dev", &self.name]).output();
        crate::bed::text(&output.unwrap().stdout)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["link", "del", &self.peer]).output());
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(output.status.success(), "ip {args:?}: {}", crate::bed::text(&output.stderr));
}

#[test]
fn a_device_keeps_its_addresses_and_is_up_under_its_new_name() {
    let mut bed = Bed::new();
    let pair = Pair::new(&bed);
    bed.set("/linux/netDevices", json!({pair.name.as_str(): {"name": "lan0"}}));
    bed.set("/linux/sysctl", json!({"net.ipv4.conf.lan0.forwarding": "1"}));
    bed.script(
        "ip -o addr show lan0; ip -o link show lan0; cat /proc/sys/net/ipv4/conf/lan0/forwarding",
    );
    let output = bed.run();
    assert!(output.contains("inet 192.0.2.7/24"), "{output}");
    assert!(output.contains("inet6 2001:db8:7::9/64 scope global"), "{output}");
    assert!(output.contains(",UP"), "{output}");
    assert!(output.ends_with("\n1\n"), "{output}");
    bed.check_nothing_left();
    wait_until("the pair goes with the container's namespace", || pair.on_host().is_empty());
}

#[test]
fn a_template_takes_the_first_free_number_and_no_name_keeps_the_hosts() {
    let mut bed = Bed::new();
    let (first, second) = (Pair::new(&bed), Pair::new(&Bed::new()));
    bed.set(
        "/linux/netDevices",
        json!({first.name.as_str(): {"name": "net%d"}, second.name.as_str(): {}}),
    );
    bed.script("ip -o link");
    let output = bed.run();
    assert!(output.contains(": net0@"), "{output}");
    assert!(output.contains(&format!(": {}@", second.name)), "{output}");
}

#[test]
fn a_device_that_cannot_stay_is_back_with_all_that_it_had() {
    let mut first = Bed::new();
    first.script("exec sleep 1000");
    let pair = Pair::new(&first);
    first.set("/linux/netDevices", json!({pair.name.as_str(): {"name": "lan0"}}));
    first.start();
    let pid = first.state()["pid"].as_i64().unwrap();

    let mut second = Bed::new();
    let other = Pair::new(&second);
    let before = other.on_host();
    second.set("/linux/netDevices", json!({other.name.as_str(): {"name": "lan0"}}));
    second.set(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "pid"}, {"type": "uts"},
            {"type": "network", "path": format!("/proc/{pid}/ns/net")}]),
    );
    let message = second.run_err();
    assert!(message.contains("has a network device lan0 already"), "{message}");
    assert_eq!(other.on_host(), before, "it was not touched");

    // It has moved when the next step fails.
    second.set("/linux/netDevices", json!({other.name.as_str(): {"name": "lan1"}}));
    second.set("/process/args", json!(["no-such-program"]));
    assert!(second.run_err().contains("executable file not found"));
    for part in ["192.0.2.7/24", "2001:db8:7::9/64"] {
        assert!(other.on_host().contains(part), "{}", other.on_host());
    }
    let link = Command::new("ip").args(["-o", "link", "show", &other.name]).output().unwrap();
    assert!(crate::bed::text(&link.stdout).contains(",UP"), "it is down");
    second.check_nothing_left();
}

#[test]
fn devices_that_cannot_go_are_named() {
    let mut bed = Bed::new();
    let mut check = |devices: serde_json::Value, words: &str| {
        bed.set("/linux/netDevices", devices);
        let message = bed.run_err();
        assert!(message.contains(words), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        bed.check_nothing_left();
    };
    check(json!({"no-such-dev": {}}), "network device no-such-dev does not exist");
    check(json!({"lo": {"name": "lo1"}}), "move the network device lo to another namespace");
    check(json!({"a-name-that-is-too-long": {}}), "cannot be the name of a network device");
    check(json!({"x0": {"name": "a/b"}}), "cannot be the name of a network device");
    check(json!({"x0": {"name": "y"}, "x1": {"name": "y"}}), "cannot both have the name \"y\"");
    bed.set("/linux/namespaces", json!([{"type": "mount"}, {"type": "uts"}]));
    bed.set("/linux/netDevices", json!({"x0": {}}));
    assert!(bed.run_err().contains("without a private NET namespace"));
}

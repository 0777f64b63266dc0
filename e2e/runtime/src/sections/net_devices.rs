//! config-linux.md, "Network Devices": interfaces of the machine that move into the container.

use std::process::Command;

use serde_json::{Map, Value, json};

use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases: Vec<Case> = vec![
        must("moved", "The interface is in the container, and no more on the machine.", |stage| {
            let interface = Interface::make(stage);
            devices(stage, &interface.0, json!({}));
            assert_eq!(stage.sh(&format!("cat /sys/class/net/{}/mtu", interface.0)), "1400");
            assert!(!interface.is_here(), "it is still here");
        }),
        must("renamed", "It has the given name in the container.", |stage| {
            let interface = Interface::make(stage);
            devices(stage, &interface.0, json!({"name": "renamed0"}));
            assert_eq!(stage.sh("cat /sys/class/net/renamed0/mtu"), "1400");
        }),
        must("addresses-kept", "It keeps its global addresses of both families.", |stage| {
            let interface = Interface::make(stage);
            ip(&["addr", "add", "192.0.2.7/24", "dev", &interface.0]);
            ip(&["-6", "addr", "add", "2001:db8::7/64", "dev", &interface.0]);
            devices(stage, &interface.0, json!({"name": "kept0"}));
            let seen = stage.sh("ip addr show dev kept0");
            assert!(seen.contains("192.0.2.7/24") && seen.contains("2001:db8::7/64"), "{seen}");
        }),
        must("up", "It is up in the container.", |stage| {
            let interface = Interface::make(stage);
            devices(stage, &interface.0, json!({"name": "up0"}));
            let seen = stage.sh("ip link show dev up0");
            assert!(seen.contains("UP"), "{seen}");
        }),
        must("template", "A name with %d becomes one that is free.", |stage| {
            let interface = Interface::make(stage);
            devices(stage, &interface.0, json!({"name": "net%d"}));
            assert_eq!(stage.sh("cat /sys/class/net/net0/mtu"), "1400");
        }),
        must(
            "taken-name",
            "A name that is taken in the container makes an error, and the interface stays.",
            |stage| {
                let interface = Interface::make(stage);
                devices(stage, &interface.0, json!({"name": "lo"}));
                stage.refused();
                assert!(interface.is_here(), "it is gone");
            },
        ),
        must("missing", "An interface that the machine lacks makes an error.", |stage| {
            devices(stage, "nosuchdev0", json!({}));
            stage.refused();
        }),
        must("host-network", "Without a network namespace of its own, it is an error.", |stage| {
            let interface = Interface::make(stage);
            stage.without_namespace("network");
            devices(stage, &interface.0, json!({}));
            stage.refused();
        }),
        must("bad-name", "A name that no interface can have is refused.", |stage| {
            let interface = Interface::make(stage);
            devices(stage, &interface.0, json!({"name": "a/b"}));
            stage.refused();
        }),
    ];
    let needs = |case: Case| case.since(3).needs(Need::VirtualInterfaces);
    Section::new("config-linux.md", "Network devices", cases.into_iter().map(needs).collect())
}

fn devices(stage: &mut Stage, name: &str, value: Value) {
    let entry: Map<String, Value> = [(name.to_owned(), value)].into_iter().collect();
    stage.set("/linux/netDevices", Value::Object(entry));
}

fn ip(words: &[&str]) {
    let output = Command::new("busybox").arg("ip").args(words).output().expect("run ip");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {}: {said}", words.join(" "));
}

/// One end of a pair of interfaces on the machine; both are removed when it is dropped.
struct Interface(String);

impl Interface {
    fn make(stage: &Stage) -> Self {
        // At most 15 letters, and no other's name.
        let name = format!("g{}", stage.id.trim_start_matches('c').replace('-', "x"));
        ip(&["link", "add", &name, "type", "veth"]);
        let interface = Self(name);
        ip(&["link", "set", &interface.0, "mtu", "1400"]);
        interface
    }

    fn is_here(&self) -> bool {
        std::path::Path::new("/sys/class/net").join(&self.0).exists()
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        if self.is_here() {
            drop(Command::new("busybox").args(["ip", "link", "del", &self.0]).output());
        }
    }
}

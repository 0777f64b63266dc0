//! config-linux.md, "Sysctl".

use std::fs;

use serde_json::{Map, Value, json};

use crate::case::{Section, must, should};
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let cases = vec![
        must("network", "A parameter of the network namespace is set.", |stage| {
            assert_eq!(set_and_read(stage, "net.ipv4.ip_forward", "1"), "1");
        }),
        must("ipc", "A parameter of the ipc namespace is set.", |stage| {
            assert_eq!(set_and_read(stage, "kernel.msgmax", "4242"), "4242");
        }),
        must("queues", "A parameter of message queues is set.", |stage| {
            assert_eq!(set_and_read(stage, "fs.mqueue.msg_max", "17"), "17");
        }),
        must("domainname", "A parameter of the uts namespace is set.", |stage| {
            assert_eq!(set_and_read(stage, "kernel.domainname", "of.sysctl"), "of.sysctl");
        }),
        must("words", "A value may be several words.", |stage| {
            assert_eq!(
                set_and_read(stage, "net.ipv4.ping_group_range", "0 2000").replace('\t', " "),
                "0 2000"
            );
        }),
        must("several", "Several parameters are all set.", |stage| {
            stage.set(
                "/linux/sysctl",
                json!({"net.ipv4.ip_forward": "1", "net.ipv4.tcp_syncookies": "0"}),
            );
            assert_eq!(
                stage.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/tcp_syncookies"),
                "1\n0"
            );
        }),
        must("host-stays", "The machine's own value stays.", |stage| {
            let own = || fs::read_to_string("/proc/sys/kernel/msgmnb").expect("read our own");
            let before = own();
            set_and_read(stage, "kernel.msgmnb", "12345");
            assert_eq!(own(), before);
        }),
        must(
            "readonly-sys",
            "Parameters are set although /proc/sys is read-only for the process.",
            |stage| {
                stage.set("/linux/readonlyPaths", json!(["/proc/sys"]));
                assert_eq!(set_and_read(stage, "net.ipv4.ip_forward", "1"), "1");
            },
        ),
        should("slashes", "A name may be written with slashes, as sysctl(8) takes it.", |stage| {
            assert_eq!(set_and_read(stage, "net/ipv4/ip_forward", "1"), "1");
        }),
        must("unknown", "A parameter that the kernel lacks makes an error.", |stage| {
            refused(stage, "net.ipv4.no_such_thing", "1");
        }),
        must("bad-value", "A value that the kernel refuses makes an error.", |stage| {
            refused(stage, "net.ipv4.ip_forward", "perhaps");
        }),
        must("strings-only", "A value that is no string is refused.", |stage| {
            stage.set("/linux/sysctl", json!({"net.ipv4.ip_forward": {"a": 1}})).refused();
        }),
        should("not-in-a-namespace", "A parameter of the whole machine is refused.", |stage| {
            // The value that it has: nothing happens to the machine if the runtime writes it.
            let own = fs::read_to_string("/proc/sys/vm/swappiness").expect("read our own");
            refused(stage, "vm.swappiness", own.trim());
        }),
        should(
            "host-namespace",
            "A parameter of a namespace that is the machine's is refused.",
            |stage| {
                let own = fs::read_to_string("/proc/sys/kernel/msgmax").expect("read our own");
                stage.without_namespace("ipc");
                refused(stage, "kernel.msgmax", own.trim());
            },
        ),
    ];
    Section::new("config-linux.md", "Sysctl", cases)
}

fn sysctl(stage: &mut Stage, name: &str, value: &str) {
    // Names have dots and slashes: no pointers here.
    let entry: Map<String, Value> = [(name.to_owned(), json!(value))].into_iter().collect();
    stage.set("/linux/sysctl", Value::Object(entry));
}

fn set_and_read(stage: &mut Stage, name: &str, value: &str) -> String {
    sysctl(stage, name, value);
    stage.sh(&format!("cat /proc/sys/{}", name.replace('.', "/")))
}

fn refused(stage: &mut Stage, name: &str, value: &str) {
    sysctl(stage, name, value);
    stage.refused();
}

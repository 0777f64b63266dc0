//! Namespaces given by path that change more than what a process sees: a mount namespace that somebody else made.

use std::fs;
use std::process::{Child, Command};

use serde_json::json;

use crate::bed::{Bed, wait_until};

/// A process in a mount namespace of its own.
pub(crate) struct Keeper(Child);

impl Keeper {
    pub(crate) fn new() -> Self {
        let child = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sleep", "1000"])
            .spawn();
        let keeper = Self(child.unwrap());
        let own = fs::read_link("/proc/self/ns/mnt").unwrap();
        let path = keeper.namespace();
        wait_until("the namespace is there", || {
            fs::read_link(&path).is_ok_and(|link| link != own)
                && fs::read(format!("/proc/{}/cmdline", keeper.0.id()))
                    .is_ok_and(|line| line.starts_with(b"sleep"))
        });
        keeper
    }

    pub(crate) fn namespace(&self) -> String {
        format!("/proc/{}/ns/mnt", self.0.id())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_container_lives_in_the_mount_namespace_of_the_path() {
    let keeper = Keeper::new();
    let mut bed = Bed::new();
    bed.set(
        "/linux/namespaces",
        json!([{"type": "pid"}, {"type": "uts"}, {"type": "network"},
            {"type": "mount", "path": keeper.namespace()}]),
    );
    bed.script("readlink /proc/self/ns/mnt; ls /; grep -c . /proc/self/mountinfo");
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let output = bed.run();
    let expected = fs::read_link(keeper.namespace()).unwrap();
    assert!(output.starts_with(expected.to_str().unwrap()), "{output}");
    assert!(output.contains("\nbin\n") && !output.contains("\nboot\n"), "{output}");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    drop(keeper);
    bed.check_nothing_left();
}

#[test]
fn the_runtimes_own_mount_namespace_is_refused() {
    let mut bed = Bed::new();
    for path in ["/proc/self/ns/mnt", "/proc/thread-self/ns/mnt"] {
        bed.set("/linux/namespaces", json!([{"type": "pid"}, {"type": "mount", "path": path}]));
        bed.set("/hostname", json!(""));
        let message = bed.run_err();
        assert!(message.contains("the runtime's own mount namespace"), "{message}");
        bed.check_nothing_left();
    }
}

#[test]
fn the_hosts_own_namespaces_by_path_are_still_the_hosts() {
    let list = |kind: &str, file: &str| json!([{"type": "mount"}, {"type": kind, "path": format!("/proc/self/ns/{file}")}]);
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let mut bed = Bed::new();
    bed.set("/hostname", json!(""));
    bed.set("/linux/namespaces", list("network", "net"));
    bed.set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}));
    assert!(bed.run_err().contains("is not allowed in the host's namespace"));
    bed.set("/linux/sysctl", json!({}));
    bed.set("/linux/netDevices", json!({"lo": {}}));
    assert!(bed.run_err().contains("without a private NET namespace"));
    bed.set("/linux/netDevices", json!({}));
    bed.script("readlink /proc/self/ns/net");
    assert_eq!(bed.run().trim(), fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap());
    bed.set("/linux/namespaces", list("uts", "uts"));
    bed.set("/hostname", json!("the-host"));
    assert!(bed.run_err().contains("unable to set hostname without a private UTS namespace"));
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), before);
    bed.check_nothing_left();
}

#[test]
fn what_is_no_such_namespace_is_refused() {
    for (namespaces, words) in [
        (json!([{"type": "mount"}, {"type": "pid"}, {"type": "pid"}]), "listed twice"),
        (json!([{"type": "mount"}, {"type": "uts", "path": "/no/such"}]), "open the Uts namespace"),
        (json!([{"type": "mount"}, {"type": "wormhole"}]), "wormhole"),
    ] {
        let mut bed = Bed::new();
        bed.set("/linux/namespaces", namespaces);
        bed.set("/hostname", json!(""));
        let message = bed.run_err();
        assert!(message.contains(words), "{message}");
        bed.check_nothing_left();
    }
}

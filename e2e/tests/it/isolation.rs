//! What a container cannot see or do, looked at from inside.

use std::fs;

use crate::shared::{detached, run, shared, unique};

fn inside(flags: &[&str], script: &str) -> String {
    run(flags, &["sh", "-c", script]).success()
}

#[test]
fn namespaces_are_its_own() {
    for kind in ["mnt", "pid", "net", "uts", "ipc"] {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let own = inside(&[], &format!("readlink /proc/self/ns/{kind}"));
        assert_ne!(own, host.to_string_lossy(), "{kind}");
    }
}

#[test]
fn it_is_the_first_process_and_sees_no_other() {
    assert_eq!(inside(&[], "echo $$"), "1");
    // The shell itself expands this, so that nothing else runs beside it.
    assert_eq!(inside(&[], "echo /proc/[0-9]*"), "/proc/1");
}

#[test]
fn the_default_capabilities_and_no_more() {
    let status = inside(&[], "grep Cap /proc/self/status");
    for (set, mask) in [
        ("CapInh", "0000000000000000"),
        ("CapPrm", "00000000a80425fb"),
        ("CapEff", "00000000a80425fb"),
        ("CapBnd", "00000000a80425fb"),
        ("CapAmb", "0000000000000000"),
    ] {
        assert!(status.contains(&format!("{set}:\t{mask}")), "{set} is not {mask}:\n{status}");
    }
}

#[test]
fn capabilities_can_be_added_and_dropped() {
    let effective = |flags: &[&str]| {
        let line = inside(flags, "grep CapEff /proc/self/status");
        u64::from_str_radix(line.trim_start_matches("CapEff:\t"), 16).unwrap()
    };
    assert_eq!(effective(&["--cap-drop", "ALL"]), 0);
    assert_eq!(effective(&["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"]), 1 << 10);
    assert_eq!(effective(&["--cap-add", "CAP_SYS_ADMIN"]), 0xa804_25fb | 1 << 21);
    assert_eq!(effective(&["--cap-drop", "chown"]), 0xa804_25fb & !1);
    run(&["--cap-add", "NO_SUCH"], &["true"]).exits(125).plainly().complains("NO_SUCH");
}

#[test]
fn a_user_has_no_capabilities() {
    assert!(inside(&["-u", "app"], "grep CapEff /proc/self/status").ends_with("0000000000000000"));
}

#[test]
fn system_calls_are_filtered() {
    let status = inside(&[], "grep Seccomp: /proc/self/status");
    assert_eq!(status, "Seccomp:\t2");
    // A new user namespace would undo the capability set.
    run(&[], &["unshare", "-U", "true"]).exits(1).complains("Operation not permitted");
    run(
        &["--security-opt", "seccomp=unconfined"],
        &["grep", "-q", "Seccomp:.0", "/proc/self/status"],
    )
    .exits(0);
}

#[test]
fn new_privileges_can_be_refused() {
    assert!(
        inside(&["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status")
            .ends_with('1')
    );
}

#[test]
fn masked_and_read_only_paths() {
    assert_eq!(inside(&[], "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c"), "0");
    assert_eq!(
        inside(
            &[],
            "ls /sys/firmware /proc/scsi /proc/acpi 2>/dev/null | grep -v : | grep . || echo empty"
        ),
        "empty"
    );
    for path in ["/proc/sys/kernel/domainname", "/proc/sysrq-trigger", "/proc/irq/x"] {
        run(&[], &["sh", "-c", &format!("echo x >{path}")]).exits(1);
    }
    run(&[], &["sh", "-c", "mkdir /sys/x"]).exits(1).complains("Read-only");
    run(&[], &["sh", "-c", "mkdir /sys/fs/cgroup/pids/x /sys/fs/cgroup/x"]).exits(1);
}

#[test]
fn devices_are_the_usual_few() {
    let names = inside(&[], "cd /dev; ls");
    for name in [
        "console", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
        "stdin", "stdout", "tty", "urandom", "zero",
    ] {
        if name != "console" {
            assert!(names.lines().any(|line| line == name), "{name} is missing:\n{names}");
        }
    }
    for disk in ["vda", "sda", "mem", "kmsg", "loop0"] {
        assert!(!names.lines().any(|line| line == disk), "{disk} is there");
    }
    // Making a device node is allowed, opening it is not.
    run(&[], &["sh", "-c", "mknod /tmp/disk b 254 0; dd if=/tmp/disk of=/dev/null count=1"])
        .exits(1)
        .complains("Operation not permitted");
    assert_eq!(inside(&[], "echo lost >/dev/null; head -c 4 /dev/zero | wc -c"), "4");
}

#[test]
fn no_descriptor_of_the_host_leaks() {
    assert_eq!(inside(&[], "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ", "3 is ls looking");
}

#[test]
fn its_root_is_its_image() {
    let marker = shared().scratch("host-only");
    fs::write(&marker, "secret").unwrap();
    run(&[], &["cat", marker.to_str().unwrap()]).exits(1);
    let mounts = inside(&[], "cat /proc/mounts");
    assert!(mounts.starts_with("overlay / overlay"), "{mounts}");
    assert!(!mounts.contains("/dev/vda") || !mounts.contains(" / ext4"), "{mounts}");
}

#[test]
fn read_only_means_it() {
    run(&["--read-only"], &["touch", "/x"]).exits(1).complains("Read-only file system");
    assert_eq!(
        inside(&["--read-only", "--tmpfs", "/scratch"], "touch /scratch/x && echo ok"),
        "ok"
    );
    // What the container needs stays writable.
    assert_eq!(inside(&["--read-only"], "echo x >/dev/shm/x && echo ok"), "ok");
}

#[test]
fn no_network_but_loopback() {
    assert_eq!(inside(&[], "ls /sys/class/net"), "lo");
    assert_eq!(inside(&[], "ping -c 1 -W 2 127.0.0.1 >/dev/null && echo up"), "up");
}

#[test]
fn host_network_is_the_hosts() {
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let words = ["run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net"];
    assert_eq!(shared().ok(&words), own.to_string_lossy());
}

#[test]
fn privileged_lifts_the_fences() {
    let inside = |script: &str| run(&["--privileged"], &["sh", "-c", script]);
    assert!(inside("grep Seccomp: /proc/self/status").success().ends_with('0'));
    inside("mount -t tmpfs tmpfs /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs tmpfs /mnt")
        .exits(0);
    inside("test -w /proc/sys/kernel/hostname && test -e /dev/kmsg").exits(0);
}

#[test]
fn containers_do_not_see_each_other() {
    let name = unique("neighbour");
    detached(&name, &[], &["sh", "-c", "echo secret >/tmp/secret; exec sleep 1234"]);
    run(&[], &["cat", "/tmp/secret"]).exits(1);
    assert!(!inside(&[], "ps").contains("1234"));
    shared().remove(&[&name]);
}

#[test]
fn an_init_reaps_and_forwards() {
    let listed = inside(&["--init"], "ps -o pid,args");
    let first = listed.lines().find(|line| line.trim_start().starts_with("1 ")).unwrap();
    assert!(first.contains("init"), "{listed}");
    // An orphan's child is reaped by the init: no zombie stays.
    let script = "(sleep 0.1 & exec true) ; sleep 0.5; ps -o stat,args | grep -c '^Z' || true";
    assert_eq!(inside(&["--init"], script), "0");
    let name = unique("init");
    detached(&name, &["--init"], &["sleep", "1000"]);
    shared().ok(&["stop", &name]);
    assert_eq!(shared().inspect(&name)["State"]["ExitCode"], 143, "the signal was forwarded");
    shared().remove(&[&name]);
}

//! podman with our runtime: namespaces that are shared, and ids that are mapped.

use super::podman::{podman, remove};

#[track_caller]
fn inside(flags: &[&str], script: &str) -> String {
    podman().run(&[&["--rm"], flags, &["busybox", "sh", "-c", script]].concat()).run().success()
}

const NAMESPACES: &str = "for n in pid ipc net uts; do readlink /proc/self/ns/$n; done";

#[test]
fn a_container_joins_anothers_namespaces() {
    podman()
        .run(&["-d", "--name", "first", "--ipc", "shareable", "busybox", "sleep", "1000"])
        .run()
        .success();
    let theirs = podman().ok(&["exec", "first", "sh", "-c", NAMESPACES]);
    let flags =
        ["--pid", "container:first", "--ipc", "container:first", "--uts", "container:first"];
    let ours = inside(&[&flags[..], &["--network", "container:first"]].concat(), NAMESPACES);
    assert_eq!(ours, theirs);
    let seen = inside(&["--pid", "container:first"], "ps");
    assert!(seen.contains("sleep 1000"), "{seen}");
    remove("first");
}

#[test]
fn the_hosts_namespaces_can_be_had() {
    let shell =
        |script: &str| podman().enclosure().command("sh").args(["-c", script]).run().success();
    let hosts = shell(NAMESPACES);
    let flags = ["--pid", "host", "--ipc", "host", "--uts", "host", "--network", "host"];
    assert_eq!(inside(&flags, NAMESPACES), hosts);
}

#[test]
fn a_pods_containers_share_what_the_pod_has() {
    let cgroup = podman().enclosure().cgroup();
    let share = [
        "--network",
        "none",
        "--share",
        "ipc,net,uts",
        "--infra-image",
        "busybox",
        "--infra-command",
        "sleep 1000",
    ];
    podman().ok(&[&["pod", "create", "--name", "pod", "--cgroup-parent", &cgroup], &share[..]].concat());
    podman().ok(&["run", "-d", "--pod", "pod", "--name", "one", "busybox", "sleep", "1000"]);
    let script = "for n in ipc net uts; do readlink /proc/self/ns/$n; done; hostname";
    let one = podman().ok(&["exec", "one", "sh", "-c", script]);
    let two = podman().ok(&["run", "--rm", "--pod", "pod", "busybox", "sh", "-c", script]);
    assert_eq!(one, two);
    assert!(two.ends_with("\npod"), "{two}");
    podman().ok(&["pod", "kill", "pod"]);
    podman().ok(&["pod", "rm", "-f", "-t", "0", "pod"]);
}

#[test]
fn ids_are_mapped_and_files_with_them() {
    let map = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
    let folder = podman().enclosure().folder().join("mapped");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    let volume = |option: &str| format!("{}:/v:{option}", folder.display());
    let script = "id -u; awk '{print $1, $2, $3}' /proc/self/uid_map; touch /made && stat -c %u /made; stat -c %u /v/file";
    let printed = inside(&[&map[..], &["-v", &volume("idmap")]].concat(), script);
    assert_eq!(printed, "0\n0 100000 65536\n0\n0");
    let owner = || {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(folder.join("file")).unwrap().uid()
    };
    assert_eq!(owner(), 0, "the mount maps, the file stays as it is");
    assert_eq!(inside(&[&map[..], &["-v", &volume("U")]].concat(), "stat -c %u /v/file"), "0");
    assert_eq!(owner(), 100_000);

    let automatic = inside(&["--userns", "auto"], "awk '{print $1, $2}' /proc/self/uid_map");
    assert_eq!(automatic, "0 200000");
}

#[test]
fn an_exec_into_mapped_ids_is_mapped_as_well() {
    let map = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
    let words = [&["-d", "--name", "mapped"], &map[..], &["busybox", "sleep", "1000"]].concat();
    podman().run(&words).run().success();
    let printed = podman().ok(&[
        "exec",
        "-u",
        "app",
        "mapped",
        "sh",
        "-c",
        "id -u; awk '{print $2}' /proc/self/uid_map",
    ]);
    assert_eq!(printed, "1000\n100000");
    remove("mapped");
}

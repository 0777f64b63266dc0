//! What a container sees: namespaces, mounts, devices, masked paths.

use std::fs;

use serde_json::json;

use crate::bed::Bed;

#[test]
fn every_namespace_is_new_and_the_loopback_is_up() {
    let mut bed = Bed::new();
    bed.script(
        "for n in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done; ip -o link",
    );
    let output = bed.run();
    for kind in ["pid", "net", "ipc", "uts", "mnt", "cgroup"] {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert!(!output.contains(host.to_str().unwrap()), "{kind} is the host's");
        assert!(output.contains(&format!("{kind}:[")), "{output}");
    }
    assert!(output.contains("lo: <LOOPBACK,UP"), "{output}");
    assert_eq!(output.matches(" mtu ").count(), 1, "{output}");
}

#[test]
fn namespaces_that_are_not_listed_are_the_hosts_and_paths_are_joined() {
    let mut bed = Bed::new();
    bed.script("readlink /proc/self/ns/net; readlink /proc/self/ns/ipc");
    bed.set(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "pid"}, {"type": "uts"},
            {"type": "ipc", "path": "/proc/self/ns/ipc"}]),
    );
    let link = |kind| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
    assert_eq!(bed.run(), format!("{}\n{}\n", link("net"), link("ipc")));
    bed.set(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "ipc", "path": "/proc/self/ns/net"}]),
    );
    bed.set("/hostname", json!(""));
    assert!(bed.run_err().contains("is not a Ipc namespace"));
    bed.check_nothing_left();
}

#[test]
fn a_containers_pid_namespace_can_be_joined() {
    let mut first = Bed::new();
    first.script("exec sleep 1234");
    first.start();
    let pid = first.state()["pid"].as_i64().unwrap();
    let mut second = Bed::new();
    second.script("ps; readlink /proc/self/ns/net");
    second.set(
        "/linux/namespaces",
        json!([{"type": "mount"}, {"type": "uts"},
            {"type": "pid", "path": format!("/proc/{pid}/ns/pid")},
            {"type": "network", "path": format!("/proc/{pid}/ns/net")}]),
    );
    let output = second.run();
    let network = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert!(output.contains("sleep 1234"), "{output}");
    assert!(output.contains(network.to_str().unwrap()), "{output}");
    second.check_nothing_left();
}

#[test]
fn the_cgroup_is_the_containers_own() {
    let mut bed = Bed::new();
    bed.push(
        "/mounts",
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}),
    );
    bed.script("cat /proc/self/cgroup; ls -d /sys/fs/cgroup/*/; mkdir /sys/fs/cgroup/pids/x");
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    let (stdout, stderr) = (crate::bed::text(&output.stdout), crate::bed::text(&output.stderr));
    assert!(stdout.contains("pids:/\n"), "{stdout}");
    assert!(!stdout.contains("gantry-runc-test"), "{stdout}");
    assert!(stdout.contains("/sys/fs/cgroup/pids/"), "{stdout}");
    assert!(stderr.contains("Read-only file system"), "{stderr}");
    bed.check_nothing_left();
}

#[test]
fn resources_are_applied() {
    let mut bed = Bed::new();
    bed.push(
        "/mounts",
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["ro"]}),
    );
    bed.set(
        "/linux/resources",
        json!({
            "pids": {"limit": 77},
            "devices": [{"allow": false, "access": "rwm"}],
        }),
    );
    bed.script("cat /sys/fs/cgroup/pids/pids.max; echo x > /dev/null && echo null works");
    assert_eq!(bed.run(), "77\nnull works\n");
}

#[test]
fn masked_and_readonly_paths_hold() {
    let mut bed = Bed::new();
    bed.script(
        "wc -c < /proc/keys; ls /proc/acpi /sys/firmware | wc -l; \
         echo 1 > /proc/sys/vm/drop_caches || echo refused; touch /sys/firmware/x || echo refused",
    );
    let output = bed.run();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "0");
    assert!(lines.iter().filter(|line| **line == "refused").count() == 2, "{output}");
    assert!(!output.contains("drop_caches"));
}

#[test]
fn a_readonly_root_refuses_writes_but_its_mounts_do_not() {
    let mut bed = Bed::new();
    bed.push("/mounts", json!({"destination": "/run/new", "type": "tmpfs", "source": "x"}));
    bed.set("/root/readonly", json!(true));
    bed.script("touch /x || echo refused; touch /run/new/y && echo written");
    assert_eq!(bed.run(), "refused\nwritten\n");
    assert!(!bed.rootfs().join("x").exists());
}

#[test]
fn devices_and_links_are_there() {
    let mut bed = Bed::new();
    bed.set(
        "/linux/devices",
        json!([
            {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 416,
                "uid": 3, "gid": 4},
        ]),
    );
    bed.script(
        "cd /dev; stat -c '%n %F %t:%T %a %u:%g' null zero full random urandom tty net/tun; \
         for l in fd stdin stdout stderr ptmx; do readlink $l; done",
    );
    let kind = "character special file";
    let expected = format!(
        "null {kind} 1:3 666 0:0\nzero {kind} 1:5 666 0:0\nfull {kind} 1:7 666 0:0\n\
         random {kind} 1:8 666 0:0\nurandom {kind} 1:9 666 0:0\ntty {kind} 5:0 666 0:0\n\
         net/tun {kind} a:c8 640 3:4\n\
         /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
    );
    assert_eq!(bed.run(), expected);
}

#[test]
fn binds_of_files_and_directories_with_their_options() {
    let mut bed = Bed::new();
    let source = bed.dir.path().join("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let bind = |from: &str, to: &str, options: &[&str]| json!({"destination": to, "type": "bind", "source": from, "options": options});
    let directory = source.to_str().unwrap();
    bed.push("/mounts", bind(directory, "/new/deep/dir", &["rbind", "rprivate"]));
    bed.push("/mounts", bind(directory, "/ro", &["rbind", "ro", "nosuid", "nodev", "noexec"]));
    bed.push("/mounts", bind(&format!("{directory}/file"), "/etc/conf/file", &["bind", "ro"]));
    bed.script(
        "cat /etc/conf/file; touch /new/deep/dir/written; touch /ro/x || echo refused; \
         grep ' /ro ' /proc/mounts | cut -d' ' -f4",
    );
    let output = bed.run();
    assert!(output.starts_with("contentrefused\nro,nosuid,nodev,noexec,"), "{output}");
    assert!(source.join("written").exists());
}

#[test]
fn a_volume_can_be_private_slave_or_shared() {
    for (option, tag) in [("rprivate", ""), ("rslave", "master:"), ("rshared", "shared:")] {
        let mut bed = Bed::new();
        let source = bed.dir.path().join("shared");
        fs::create_dir(&source).unwrap();
        let path = source.to_str().unwrap().to_owned();
        let shell = |line: String| {
            let status = std::process::Command::new("sh").args(["-c", &line]).status().unwrap();
            assert!(status.success(), "{line}");
        };
        shell(format!("mount -t tmpfs x {path} && mount --make-shared {path}"));
        bed.push(
            "/mounts",
            json!({"destination": "/v", "type": "bind", "source": path,
            "options": ["rbind", option]}),
        );
        bed.script("grep ' /v ' /proc/self/mountinfo");
        bed.write_config();
        let output = bed.call(&["run", &bed.id]);
        shell(format!("umount {path}"));
        let line = crate::bed::text(&output.stdout);
        let tags = ["master:", "shared:"].iter().filter(|tag| line.contains(**tag)).count();
        assert!(line.contains(tag) && tags == usize::from(!tag.is_empty()), "{option}: {line}");
    }
}

#[test]
fn host_names_and_kernel_parameters_are_the_containers_own() {
    let mut bed = Bed::new();
    bed.config["domainname"] = json!("the-domain");
    bed.set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "4242"}));
    bed.script("hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax");
    assert_eq!(bed.run(), "the-host\nthe-domain\n1\n4242\n");
    let host = fs::read_to_string("/proc/sys/kernel/msgmax").unwrap();
    assert_ne!(host.trim(), "4242");
}

#[test]
fn nothing_of_the_host_is_mounted_in_the_container() {
    let mut bed = Bed::new();
    bed.script("cut -d' ' -f5 /proc/self/mountinfo | grep -v sysrq | sort");
    assert_eq!(
        bed.run(),
        "/\n/dev\n/dev/pts\n/proc\n/proc/acpi\n/proc/keys\n/proc/sys\n/sys\n/sys/firmware\n"
    );
}

#[test]
fn a_user_namespace_maps_root_to_somebody_else() {
    let mut bed = Bed::new();
    bed.map_users().script(
        "id -u; awk '{print $1,$2,$3}' /proc/self/uid_map; echo x > /dev/null && echo works",
    );
    assert_eq!(bed.run(), "0\n0 100000 65536\nworks\n");
    bed.script("exec sleep 1000");
    bed.start();
    let output = bed.ok(&["exec", &bed.id, "sh", "-c", "id -u; readlink /proc/self/ns/user"]);
    let pid = bed.state()["pid"].as_i64().unwrap();
    let user = fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    assert_eq!(output, format!("0\n{}\n", user.display()));
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}

//! What a user namespace cannot have, or has in another way: mounts, devices, clocks, scores; and the one around the runtime.

use std::fs;

use serde_json::json;

use super::rig::{Rig, USER, Who};
use crate::bed::{text, wait_until};

#[test]
fn a_container_needs_a_user_namespace() {
    let mut rig = Rig::new(Who::User);
    rig.bed.config["linux"]["uidMappings"] = json!([]);
    rig.bed.config["linux"]["gidMappings"] = json!([]);
    rig.bed.config["linux"]["namespaces"].as_array_mut().unwrap().pop();
    let message = rig.run_err();
    assert!(message.contains("rootless containers need a user namespace"), "{message}");
}

#[test]
fn root_of_a_surrounding_namespace_runs_containers_without_another() {
    for who in [Who::NamespaceRoot, Who::NamespaceRootWithMounts] {
        let mut rig = Rig::new(who);
        rig.script(
            "id -u; awk '{print $1,$2,$3}' /proc/self/uid_map; echo x > /dev/null && echo null works; \
             hostname; cat /proc/sys/kernel/msgmax; stat -c %g /dev/pts; ls /sys/class/net",
        );
        rig.bed.set("/linux/sysctl", json!({"kernel.msgmax": "4242"}));
        // Only the pid within the namespace can be seen, and the score of its maker is the lowest.
        rig.bed.set("/process/oomScoreAdj", json!(-500));
        assert_eq!(
            rig.run(),
            format!("0\n0 {USER} 1\nnull works\nthe-host\n4242\n0\nlo\n"),
            "{who:?}"
        );
        rig.bed.check_nothing_left();
    }
}

#[test]
fn a_namespace_within_the_surrounding_one_is_possible() {
    for who in [Who::NamespaceRoot, Who::NamespaceRootWithMounts] {
        let mut rig = Rig::new(who);
        rig.bed.push("/linux/namespaces", json!({"type": "user"}));
        rig.map(&json!([{"containerID": 0, "hostID": 0, "size": 1}]));
        rig.script("id -u; readlink /proc/self/ns/user");
        let output = rig.run();
        assert!(output.starts_with("0\nuser:["), "{output}");
        rig.map(&json!([{"containerID": 0, "hostID": 5, "size": 1}]));
        let message = rig.run_err();
        assert!(message.contains("only ids that the surrounding user namespace has"), "{message}");
    }
}

#[test]
fn a_score_is_raised_but_never_lowered() {
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let own: i32 = own.trim().parse().unwrap();
    for (asked, expected) in [(own - 1, own), (own + 100, own + 100)] {
        for who in [Who::User, Who::NamespaceRoot] {
            let mut rig = Rig::new(who);
            rig.bed.set("/process/oomScoreAdj", json!(asked));
            rig.script("cat /proc/self/oom_score_adj");
            assert_eq!(rig.run(), format!("{expected}\n"), "{who:?} {asked}");
        }
    }
}

#[test]
fn the_hosts_sysfs_is_bound_read_only_with_the_hosts_network() {
    let mut rig = Rig::new(Who::User);
    let namespaces = rig.bed.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "network");
    rig.script("ls -d /sys/class/net; mkdir /sys/fs/cgroup/x");
    rig.write();
    let output = rig.call(&["run", &rig.bed.id]);
    assert_eq!(text(&output.stdout), "/sys/class/net\n", "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("Read-only"), "{}", text(&output.stderr));
}

#[test]
fn what_others_put_on_a_mount_stays_and_only_lifting_it_fails() {
    for (options, words) in [
        (json!(["rbind", "relatime"]), None),
        (json!(["rbind", "ro", "noatime"]), None),
        (json!(["rbind", "rw"]), Some("such as ro, cannot be lifted")),
    ] {
        let mut rig = Rig::new(Who::User);
        fs::create_dir(rig.bed.dir.path().join("run/theirs")).unwrap();
        rig.bed.push(
            "/mounts",
            json!({"destination": "/tmp", "type": "bind", "options": options,
                "source": rig.bed.dir.path().join("run/theirs")}),
        );
        rig.script("grep -o ' /tmp ro,nosuid,nodev,noexec,noatime' /proc/self/mountinfo");
        rig.write();
        let first = "mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime x run/theirs && ";
        let root = rig.bed.dir.path().join("root");
        let args = ["--root", root.to_str().unwrap(), "run", &rig.bed.id];
        let program = env!("CARGO_BIN_EXE_gantry-runc").as_ref();
        let output = rig.program_after(first, program, &args).output().unwrap();
        let message = text(&output.stderr);
        match words {
            None => assert!(output.status.success(), "{options}: {message}"),
            Some(words) => assert!(message.contains(words), "{options}: {message}"),
        }
    }
}

#[test]
fn a_tmpfs_begins_with_what_it_covers_as_far_as_the_ids_go() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let mut rig = Rig::new(Who::User);
    rig.map_ranges();
    rig.bed.push(
        "/mounts",
        json!({"destination": "/var", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}),
    );
    rig.script("cd /var; stat -c '%n %u %a' mine others");
    rig.write();
    for (name, owner) in [("mine", super::rig::FIRST), ("others", 1)] {
        let file = rig.bed.rootfs().join("var").join(name);
        fs::write(&file, "x").unwrap();
        chown(&file, Some(owner), None).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    }
    assert_eq!(rig.ok(&["run", &rig.bed.id]), "mine 1 4755\nothers 0 755\n");
}

#[test]
fn files_with_other_owners_are_roots_to_give() {
    let mut rig = Rig::new(Who::User);
    rig.bed.push(
        "/mounts",
        json!({"destination": "/tmp", "type": "bind", "source": "/tmp", "options": ["rbind", "idmap"]}),
    );
    assert!(rig.run_err().contains("only root may map the ids of files"));
}

#[test]
fn the_hosts_processes_can_be_seen_without_a_pid_namespace() {
    let mut rig = Rig::new(Who::User);
    let namespaces = rig.bed.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "pid");
    rig.script("test -d /proc/$$ && echo own; test -d /proc/2 && echo others; exec sleep 1000");
    rig.start();
    let pid = rig.pid();
    rig.ok(&["exec", "-d", &rig.bed.id, "sleep", "77"]);
    let processes = rig.ok(&["ps", "--format", "json", &rig.bed.id]);
    let processes: Vec<i64> = serde_json::from_str(&processes).unwrap();
    assert!(processes.contains(&pid) && processes.len() == 2, "{processes:?}");
    rig.ok(&["delete", "--force", &rig.bed.id]);
    for pid in processes {
        wait_until("all are gone", || !alive(pid));
    }
    rig.bed.check_nothing_left();
}

fn alive(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn a_user_sets_the_clocks_of_his_container() {
    let mut rig = Rig::new(Who::User);
    rig.bed.push("/linux/namespaces", json!({"type": "time"}));
    rig.bed.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 864_000_000}});
    rig.script("cut -d. -f1 /proc/uptime; exec sleep 1000 > /dev/null");
    rig.start();
    let uptime = rig.ok(&["exec", &rig.bed.id, "sh", "-c", "cut -d. -f1 /proc/uptime"]);
    assert!(uptime.trim().parse::<u64>().unwrap() > 864_000_000, "{uptime}");

    let mut rig = Rig::new(Who::NamespaceRoot);
    rig.bed.push("/linux/namespaces", json!({"type": "time"}));
    rig.bed.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 864_000_000}});
    rig.script("cut -d. -f1 /proc/uptime");
    let uptime = rig.run();
    assert!(uptime.trim().parse::<u64>().unwrap() > 864_000_000, "{uptime}");
}

#[test]
fn devices_are_the_hosts_whatever_they_are_called_there() {
    let mut rig = Rig::new(Who::User);
    let device = |path: &str, major: i64, minor: i64| json!({"path": path, "type": "c", "major": major, "minor": minor});
    rig.bed.set(
        "/linux/devices",
        json!([device("/dev/zero", 1, 5), device("/dev/full", 1, 3), device("/dev/deep/zeroes", 1, 5),
            {"path": "/dev/own-fifo", "type": "p", "fileMode": 384}]),
    );
    rig.script("stat -c %t:%T /dev/zero /dev/full /dev/deep/zeroes; stat -c %F:%a /dev/own-fifo; head -c 1 /dev/deep/zeroes | wc -c");
    assert_eq!(rig.run(), "1:5\n1:3\n1:5\nfifo:600\n1\n");
    for path in ["/dev/zero", "/dev/no-such-device"] {
        rig.bed.set("/linux/devices", json!([device(path, 250, 77)]));
        let message = rig.run_err();
        assert!(message.contains("no node 250:77 for the device /dev/"), "{message}");
    }
}

//! Which ids a user's container has, who lets him have them, and what he is told when they are not his.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::json;

use super::rig::{COUNT, FIRST, Rig, USER, Who};
use crate::bed::text;

#[test]
fn a_single_id_needs_no_tools() {
    let mut rig = Rig::new(Who::User);
    rig.script(
        "id -u; id -g; awk '{print $1,$2,$3}' /proc/self/uid_map /proc/self/gid_map; \
         cat /proc/self/setgroups; touch /made; echo x > /dev/null && echo null works; exit 7",
    );
    rig.write();
    let output = rig.call(&["run", &rig.bed.id]);
    let expected = format!("0\n0\n0 {USER} 1\n0 {USER} 1\ndeny\nnull works\n");
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(fs::metadata(rig.bed.rootfs().join("made")).unwrap().uid(), USER);
    rig.bed.check_nothing_left();
}

#[test]
fn subordinate_ids_are_mapped_by_the_tools() {
    let mut rig = Rig::new(Who::User);
    rig.map_ranges();
    rig.bed.set("/process/user", json!({"uid": 33, "gid": 34, "additionalGids": [40]}));
    fs::set_permissions(rig.bed.rootfs().join("tmp"), fs::Permissions::from_mode(0o777)).unwrap();
    rig.script(
        "id -u; id -g; id -G; awk '{print $1,$2,$3}' /proc/self/uid_map; cat /proc/self/setgroups; touch /tmp/made",
    );
    let expected = format!("33\n34\n34 40\n0 {USER} 1\n1 {FIRST} {COUNT}\nallow\n");
    assert_eq!(rig.run(), expected);
    let made = fs::metadata(rig.bed.rootfs().join("tmp/made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (FIRST + 32, FIRST + 33));
    rig.bed.check_nothing_left();
}

#[test]
fn ids_of_others_are_refused_in_the_tools_words() {
    for stranger in [0, FIRST - 1, FIRST + COUNT] {
        let mut rig = Rig::new(Who::User);
        rig.map(&json!([
            {"containerID": 0, "hostID": USER, "size": 1},
            {"containerID": 1, "hostID": stranger, "size": 1},
        ]));
        let message = rig.run_err();
        assert!(message.contains("newuidmap refused linux.uidMappings"), "{message}");
        assert!(message.contains(&format!("[1-2) -> [{stranger}-{}) not allowed", stranger + 1)));
        assert_eq!(message.trim().lines().count(), 1, "{message}");
    }
}

#[test]
fn a_single_id_of_another_is_refused_too() {
    let mut rig = Rig::new(Who::User);
    rig.map(&json!([{"containerID": 0, "hostID": 0, "size": 1}]));
    assert!(rig.run_err().contains("newuidmap refused"));
}

#[test]
fn mappings_that_contradict_themselves_are_refused_before_anything_is_made() {
    for (mappings, words) in [
        (json!([{"containerID": 0, "hostID": USER, "size": 0}]), "is empty"),
        (
            json!([{"containerID": 0, "hostID": USER, "size": 1},
                {"containerID": 0, "hostID": FIRST, "size": 5}]),
            "overlap",
        ),
        (json!([{"containerID": 5, "hostID": USER, "size": 1}]), "must map the container's id 0"),
        (json!([{"containerID": 0, "hostID": u32::MAX, "size": 2}]), "largest id"),
    ] {
        let mut rig = Rig::new(Who::User);
        rig.map(&mappings);
        let message = rig.run_err();
        assert!(message.contains("linux.uidMappings") && message.contains(words), "{message}");
    }
}

#[test]
fn without_the_tools_their_package_is_named() {
    let mut rig = Rig::new(Who::User);
    rig.map_ranges();
    rig.write();
    let empty = rig.bed.dir.path().join("run");
    let path = std::env::var_os("PATH").unwrap();
    // The commands that make the call need theirs; the runtime gets another.
    let mut inner = rig.program("env".as_ref(), &[&format!("PATH={}", empty.display())]);
    inner.env("PATH", path).arg(env!("CARGO_BIN_EXE_gantry-runc"));
    inner.arg("--root").arg(rig.bed.dir.path().join("root")).args(["run", &rig.bed.id]);
    let output = inner.output().unwrap();
    let message = text(&output.stderr);
    assert!(!output.status.success());
    assert!(message.contains("newuidmap is not in the search path"), "{message}");
    assert!(message.contains("install the package uidmap"), "{message}");
    rig.bed.check_nothing_left();
}

#[test]
fn the_tools_get_nothing_but_their_arguments() {
    let mut rig = Rig::new(Who::User);
    rig.map_ranges();
    rig.script("id -u");
    let run = rig.bed.dir.path().join("run");
    for tool in ["newuidmap", "newgidmap"] {
        let report = run.join(tool).with_extension("report");
        let script = format!(
            "#!/bin/sh\n/usr/bin/env > {0}\nls -l /proc/self/fd >> {0}\nexec /usr/bin/{tool} \"$@\"\n",
            report.display()
        );
        fs::write(run.join(tool), script).unwrap();
        fs::set_permissions(run.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    rig.write();
    let script = "exec 3< /etc/passwd; PATH=$1:$PATH SECRET=x exec \"$2\" --root \"$3\" run --preserve-fds 1 \"$4\"";
    let root = rig.bed.dir.path().join("root");
    let args = ["-c", script, "sh", run.to_str().unwrap()];
    let more = [env!("CARGO_BIN_EXE_gantry-runc"), root.to_str().unwrap(), &rig.bed.id];
    let mut command = rig.program("sh".as_ref(), &[&args[..], &more].concat());
    let output = command.output().unwrap();
    assert_eq!(text(&output.stdout), "0\n", "{}", text(&output.stderr));
    for tool in ["newuidmap", "newgidmap"] {
        let report = fs::read_to_string(run.join(tool).with_extension("report")).unwrap();
        assert!(!report.contains("SECRET") && !report.contains("XDG"), "{report}");
        assert!(!report.contains("/etc/passwd") && !report.contains("exec.fifo"), "{report}");
        assert!(report.contains("0 -> /dev/null"), "{report}");
    }
    rig.bed.check_nothing_left();
}

#[test]
fn a_user_who_is_not_mapped_is_named() {
    let mut rig = Rig::new(Who::User);
    rig.bed.set("/process/user", json!({"uid": 33, "gid": 0}));
    let message = rig.run_err();
    assert!(message.contains("uid 33") && message.contains("not mapped"), "{message}");
    rig.bed.set("/process/user", json!({"uid": 0, "gid": 0, "additionalGids": [5]}));
    let message = rig.run_err();
    assert!(message.contains("groups [5]"), "{message}");
}

#[test]
fn a_table_of_users_that_is_closed_matters_only_to_names() {
    let mut rig = Rig::new(Who::User);
    rig.bed.set("/process/user", json!({"uid": 0, "gid": 0}));
    rig.script("echo $HOME");
    rig.write();
    let passwd = rig.bed.rootfs().join("etc/passwd");
    // It is root's, and the container's root is not he.
    fs::write(&passwd, "root:x:0:0::/home/root:/bin/sh\n").unwrap();
    fs::set_permissions(&passwd, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(rig.ok(&["run", &rig.bed.id]), "/\n");
    rig.bed.set("/process/user", json!({"username": "root"})).write_config();
    let message = rig.err(&["run", &rig.bed.id]);
    assert!(message.contains("read the container's /etc/passwd: permission denied"), "{message}");
}

#[test]
fn other_runtimes_give_the_same_ids_and_owners() {
    let mut rig = Rig::new(Who::User);
    rig.map_ranges();
    rig.script(
        "id -u; id -G; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; grep Cap /proc/self/status; \
         stat -c '%n %u %g %a %t:%T' / /proc /dev /dev/null /dev/pts /dev/pts/ptmx /dev/tty /sys; hostname",
    );
    // With a path runc insists on it, and crun 1.8 knows no later version.
    rig.bed.set("/linux/cgroupsPath", json!("")).set("/ociVersion", json!("1.0.2"));
    let ours = rig.run();
    for peer in ["runc", "crun"] {
        let output = rig.peer(peer, &["run", &rig.bed.id]).output().unwrap();
        assert_eq!(text(&output.stdout), ours, "{peer}: {}", text(&output.stderr));
    }
}

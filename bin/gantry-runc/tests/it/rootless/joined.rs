//! User namespaces that are there already and are joined, by a user and by the machine's root; and containers of root's with mapped ids.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::rig::{Rig, Who};
use crate::bed::Bed;

/// A process in namespaces of its own, until this is dropped.
struct Holder(Child);

impl Holder {
    /// `unshare` with these flags, by the user when there is a rig.
    fn new(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut holder = Self(child);
        let mut ready = [0; 1];
        std::io::Read::read_exact(holder.0.stdout.as_mut().unwrap(), &mut ready).unwrap();
        holder
    }

    fn namespace(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

const HOLD: [&str; 3] = ["sh", "-c", "printf .; read x"];

pub(super) fn set_namespace(config: &mut Value, kind: &str, path: &str) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != kind);
    namespaces.push(json!({"type": kind, "path": path}));
}

#[test]
fn a_user_joins_his_own_namespaces() {
    let mut rig = Rig::new(Who::User);
    let unshare = ["--map-root-user", "--net", "--uts", HOLD[0], HOLD[1], HOLD[2]];
    let holder = Holder::new(rig.program("unshare".as_ref(), &unshare));
    rig.bed.config["linux"]["uidMappings"] = json!([]);
    rig.bed.config["linux"]["gidMappings"] = json!([]);
    for (kind, name) in [("user", "user"), ("network", "net")] {
        set_namespace(&mut rig.bed.config, kind, &holder.namespace(name));
    }
    rig.script("id -u; readlink /proc/self/ns/user; readlink /proc/self/ns/net; hostname; echo x > /dev/null && echo works");
    let link = |kind| fs::read_link(holder.namespace(kind)).unwrap().display().to_string();
    let expected = format!("0\n{}\n{}\nthe-host\nworks\n", link("user"), link("net"));
    assert_eq!(rig.run(), expected);
    rig.script("exec sleep 1000");
    rig.start();
    let entered = rig.ok(&["exec", &rig.bed.id, "readlink", "/proc/self/ns/user"]);
    assert_eq!(entered.trim(), link("user"));
    rig.ok(&["delete", "--force", &rig.bed.id]);
    rig.bed.check_nothing_left();
}

#[test]
fn deleting_one_that_joined_a_pid_namespace_spares_those_who_live_there() {
    let mut first = Rig::new(Who::User);
    first.script("exec sleep 1000");
    first.start();
    let pid = first.pid();
    let mut second = Rig::new(Who::User);
    second.map(&json!([]));
    for kind in ["user", "pid"] {
        set_namespace(&mut second.bed.config, kind, &format!("/proc/{pid}/ns/{kind}"));
    }
    second.script("exec sleep 1000");
    second.start();
    second.ok(&["kill", "--all", &second.bed.id, "KILL"]);
    second.ok(&["delete", "--force", &second.bed.id]);
    // One that was killed counts as running until the last process of its pid namespace is gone.
    first.ok(&["exec", &first.bed.id, "true"]);
    first.ok(&["delete", "--force", &first.bed.id]);
    for rig in [first, second] {
        rig.bed.check_nothing_left();
    }
}

#[test]
fn a_user_may_not_join_those_of_others() {
    let mut rig = Rig::new(Who::User);
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--net"]).args(HOLD);
    let holder = Holder::new(unshare);
    set_namespace(&mut rig.bed.config, "network", &holder.namespace("net"));
    let message = rig.run_err();
    assert!(message.contains("namespace") && message.contains("ermi"), "{message}");
}

/// A bed whose files belong to the root of a user namespace with ids from 100000 on.
pub(super) fn bed_of_mapped_root() -> Bed {
    let bed = Bed::new();
    for path in [bed.dir.path(), &bed.bundle(), &bed.rootfs()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut chown = Command::new("chown");
    assert!(chown.args(["-R", "100000:100000"]).arg(bed.rootfs()).status().unwrap().success());
    bed
}

pub(super) fn map_ids(bed: &mut Bed) {
    bed.push("/linux/namespaces", json!({"type": "user"}));
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bed.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
}

#[test]
fn what_is_made_in_a_joined_user_namespace_belongs_to_it() {
    let mut first = bed_of_mapped_root();
    map_ids(&mut first);
    first.script("exec sleep 1000");
    first.start();
    let pid = first.state()["pid"].as_i64().unwrap();
    let mut second = bed_of_mapped_root();
    set_namespace(&mut second.config, "user", &format!("/proc/{pid}/ns/user"));
    set_namespace(&mut second.config, "network", &format!("/proc/{pid}/ns/net"));
    second.set("/process/capabilities/bounding", json!(["CAP_SYS_ADMIN"]));
    second.set("/process/capabilities/effective", json!(["CAP_SYS_ADMIN"]));
    second.set("/process/capabilities/permitted", json!(["CAP_SYS_ADMIN"]));
    // Only the owner of the namespaces may rename the host and mount.
    second.script("hostname mine; hostname; mount -t tmpfs x /tmp && echo mounted; id -u; readlink /proc/self/ns/net");
    let network = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(second.run(), format!("mine\nmounted\n0\n{}\n", network.display()));
    second.check_nothing_left();
}

#[test]
fn namespaces_of_the_host_are_joined_before_ids_are_mapped() {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--ipc"]).args(HOLD);
    let holder = Holder::new(unshare);
    let mut bed = bed_of_mapped_root();
    map_ids(&mut bed);
    set_namespace(&mut bed.config, "network", &holder.namespace("net"));
    set_namespace(&mut bed.config, "ipc", &holder.namespace("ipc"));
    // The network is not the container's own: its sysfs cannot be made, and the host's is shown.
    bed.script(
        "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; id -u; ls -d /sys/class/net",
    );
    let link = |kind| fs::read_link(holder.namespace(kind)).unwrap().display().to_string();
    assert_eq!(bed.run(), format!("{}\n{}\n0\n/sys/class/net\n", link("net"), link("ipc")));
    bed.check_nothing_left();
}

#[test]
fn mapped_terminals_and_processes_have_the_containers_ids() {
    let mut bed = bed_of_mapped_root();
    map_ids(&mut bed);
    bed.set("/process/terminal", json!(true)).set("/process/user", json!({"uid": 33, "gid": 34}));
    bed.script(
        "stat -c '%u %g %a' /dev/pts/0 /dev/console; stat -c '%u %g' /dev/pts /dev/pts/ptmx; id -u",
    );
    assert_eq!(bed.run(), "33 5 620\r\n33 5 620\r\n0 0\r\n0 0\r\n33\r\n");
    bed.set("/process/terminal", json!(false)).script("exec sleep 1000");
    bed.start();
    let args = [
        "exec",
        "--user",
        "7:8",
        &bed.id,
        "sh",
        "-c",
        "id -u; id -g; awk '{print $2}' /proc/self/uid_map",
    ];
    assert_eq!(bed.ok(&args), "7\n8\n100000\n");
    bed.ok(&["exec", "-d", "--user", "7", "--pid-file", "pid", &bed.id, "sleep", "99"]);
    let pid = fs::read_to_string(bed.bundle().join("pid")).unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t100007\t100007"), "{status}");
}

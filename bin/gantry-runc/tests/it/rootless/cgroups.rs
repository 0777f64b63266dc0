//! Cgroups that somebody gave the user.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::rig::{Rig, USER, Who};
use crate::bed::Bed;

/// The bed's cgroup in every hierarchy, the user's own as far as he needs it.
struct Delegated(Vec<PathBuf>);

impl Delegated {
    fn new(rig: &Rig) -> Self {
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let places: Vec<PathBuf> = hierarchies
            .filter(|hierarchy| hierarchy.file_type().unwrap().is_dir())
            .map(|hierarchy| hierarchy.path().join(&rig.bed.cgroup[1..]))
            .collect();
        for place in &places {
            fs::create_dir(place).unwrap();
            chown(place, Some(USER), Some(USER)).unwrap();
            // A cpuset without these takes no process, and what is below cannot have more.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let above = place.parent().unwrap().join(file);
                if let Ok(value) = fs::read_to_string(above)
                    && !place.ends_with("unified")
                {
                    fs::write(place.join(file), value).ok();
                }
            }
        }
        Self(places)
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for place in &self.0 {
            drop(fs::remove_dir(place));
        }
    }
}

/// Makes the user's calls come from the delegated cgroup of the unified hierarchy: he must be able to leave it.
fn from_delegated(rig: &Rig, args: &[&str]) -> std::process::Command {
    let procs = format!("/sys/fs/cgroup/unified{}/cgroup.procs", rig.bed.cgroup);
    let inner = rig.command(args);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "if test -e \"$0\"; then echo $$ > \"$0\"; fi; exec \"$@\"", &procs]);
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.current_dir(rig.bed.dir.path()).stdin(std::process::Stdio::null());
    command
}

fn cgroup_mount() -> Value {
    let options = ["ro", "nosuid", "nodev", "noexec"];
    json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options})
}

#[test]
fn without_a_cgroup_there_is_an_empty_place_for_it() {
    let mut rig = Rig::new(Who::User);
    rig.bed.push("/mounts", cgroup_mount());
    rig.script("ls -A /sys/fs/cgroup | wc -l; mkdir /sys/fs/cgroup/x 2> /dev/null || echo closed");
    assert_eq!(rig.run(), "0\nclosed\n");
}

#[test]
fn a_writable_cgroup_is_used_with_limits_and_pauses() {
    let mut rig = Rig::new(Who::User);
    let delegated = Delegated::new(&rig);
    for place in &delegated.0 {
        chown(place.join("cgroup.procs"), Some(USER), Some(USER)).unwrap();
    }
    let id = rig.bed.id.clone();
    let deny_all = json!([{"allow": false, "access": "rwm"}]);
    rig.bed.set("/linux/resources", json!({"pids": {"limit": 44}, "devices": deny_all}));
    rig.bed.push("/mounts", cgroup_mount());
    rig.script("exec sleep 1000").write();
    let call = |args: &[&str]| {
        let command = from_delegated(&rig, args);
        let output = super::rig::output_of(command, &rig.bed.dir.path().join("said"));
        assert!(output.status.success(), "{args:?}: {}", crate::bed::text(&output.stderr));
        crate::bed::text(&output.stdout)
    };
    call(&["run", "-d", &id]);
    let state: Value = serde_json::from_str(&call(&["state", &id])).unwrap();
    assert_eq!(state["cgroup"], format!("{}/{id}", rig.bed.cgroup));
    let pids = |file: &str| {
        let path = format!("/sys/fs/cgroup/pids{}/{id}/{file}", rig.bed.cgroup);
        fs::read_to_string(path).unwrap().trim().to_owned()
    };
    assert_eq!(pids("pids.max"), "44");
    assert_eq!(pids("cgroup.procs"), state["pid"].to_string());
    let update = rig.bed.dir.path().join("run/update.json");
    fs::write(&update, json!({"pids": {"limit": 55}, "devices": deny_all}).to_string()).unwrap();
    call(&["update", "--resources", update.to_str().unwrap(), &id]);
    assert_eq!(pids("pids.max"), "55");
    call(&["pause", &id]);
    let state: Value = serde_json::from_str(&call(&["state", &id])).unwrap();
    assert_eq!(state["status"], "paused");
    call(&["resume", &id]);
    assert!(call(&["exec", &id, "cat", "/proc/self/cgroup"]).contains("pids:/\n"));
    assert!(call(&["ps", &id]).contains("sleep 1000"));
    let inside = call(&[
        "exec",
        &id,
        "sh",
        "-c",
        "cat /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/pids/x 2>&1; true",
    ]);
    assert!(inside.starts_with("55\n") && inside.contains("Read-only"), "{inside}");
    call(&["delete", "--force", &id]);
    rig.bed.check_nothing_left();
}

#[test]
fn root_who_tolerates_refusals_still_restricts_devices() {
    let mut bed = Bed::new();
    bed.set("/linux/resources", json!({"devices": [{"allow": false, "access": "rwm"}]}));
    bed.script("exec sleep 1000").write_config();
    bed.ok(&["--rootless=true", "run", "-d", &bed.id]);
    let list = format!("/sys/fs/cgroup/devices{}/{}/devices.list", bed.cgroup, bed.id);
    let list = fs::read_to_string(list).unwrap();
    assert!(list.contains("c 1:3 rwm") && !list.contains("a *:*"), "{list}");
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}

//! Attacks by who is root in the user namespace that a process of the runtime's enters. The rule that stops them: before it enters, the
//! process is made one that cannot be traced (dumpable is 0), which only the machine's root may get around; and it never executes
//! anything there but the container's program.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::json;

use super::joined::{bed_of_mapped_root, map_ids, set_namespace};
use super::rig::{Rig, Who};
use crate::bed::{Bed, text, wait_until};

/// Looks into every process that comes by, and says what it finds that is not the container's own.
const LOOK: &str = "while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do case $p in /proc/1) continue;; esac; \
    case $(readlink $p/exe 2>/dev/null) in ''|/bin/busybox) ;; *) echo program;; esac; \
    for f in $p/fd/* $p/root/etc/hostname; do case $(readlink $f 2>/dev/null) in *exec.fifo*|*state.json*|/sys/fs/*) echo $f;; esac; done; \
    [ -e $p/root/etc/hostname ] && echo root; done; done; echo end";

/// All that can be had in a user namespace.
fn give_all_capabilities(bed: &mut Bed) {
    let all = json!([
        "CAP_SYS_PTRACE",
        "CAP_SYS_ADMIN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_SETUID",
        "CAP_SETGID",
        "CAP_KILL"
    ]);
    for set in ["bounding", "effective", "permitted"] {
        bed.set(&format!("/process/capabilities/{set}"), all.clone());
    }
}

fn said(mut container: Child, bed: &Bed) -> String {
    fs::write(bed.rootfs().join("tmp/stop"), "").unwrap();
    wait_until("the onlooker ends", || container.try_wait().unwrap().is_some());
    text(&container.wait_with_output().unwrap().stdout)
}

#[test]
fn a_users_container_cannot_look_into_who_enters_it() {
    let mut rig = Rig::new(Who::User);
    rig.map_ranges();
    give_all_capabilities(&mut rig.bed);
    rig.script(LOOK).write();
    let mut command = rig.command(&["run", &rig.bed.id]);
    let container = command.stdout(Stdio::piped()).spawn().unwrap();
    wait_until("it runs", || {
        let state = rig.call(&["state", &rig.bed.id]);
        text(&state.stdout).contains("running")
    });
    for _ in 0..20 {
        rig.ok(&["exec", &rig.bed.id, "true"]);
    }
    assert_eq!(said(container, &rig.bed), "end\n");
    rig.bed.check_nothing_left();
}

#[test]
fn a_neighbour_in_the_user_namespace_cannot_look_into_who_joins_it() {
    let mut attacker = bed_of_mapped_root();
    map_ids(&mut attacker);
    give_all_capabilities(&mut attacker);
    attacker.script(LOOK).write_config();
    let mut command = attacker.command(&["run", &attacker.id]);
    let container = command.stdout(Stdio::piped()).spawn().unwrap();
    wait_until("it runs", || {
        text(&attacker.call(&["state", &attacker.id]).stdout).contains("running")
    });
    let pid = attacker.state()["pid"].as_i64().unwrap();
    for _ in 0..10 {
        let mut victim = bed_of_mapped_root();
        set_namespace(&mut victim.config, "user", &format!("/proc/{pid}/ns/user"));
        set_namespace(&mut victim.config, "pid", &format!("/proc/{pid}/ns/pid"));
        victim.run();
    }
    for _ in 0..10 {
        attacker.ok(&["exec", &attacker.id, "true"]);
    }
    assert_eq!(said(container, &attacker), "end\n");
    attacker.check_nothing_left();
}

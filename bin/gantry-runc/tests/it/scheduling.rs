//! When, where and with which memory a process runs: scheduler, disk priority, memory nodes; and its umask.

use serde_json::json;

use crate::bed::Bed;

/// Field 41 of proc(5)'s `stat` is the policy, 40 the real-time priority, 19 the nice value. The program's name has no spaces here.
const STAT: &str = "cut -d' ' -f19,40,41 /proc/self/stat";

fn scheduled(scheduler: serde_json::Value) -> String {
    let mut bed = Bed::new();
    bed.set("/process/scheduler", scheduler);
    bed.script(STAT);
    bed.run().trim().to_owned()
}

#[test]
fn policies_are_what_the_kernel_shows() {
    assert_eq!(scheduled(json!({"policy": "SCHED_OTHER", "nice": 5})), "5 0 0");
    assert_eq!(scheduled(json!({"policy": "SCHED_BATCH", "nice": 7})), "7 0 3");
    assert_eq!(scheduled(json!({"policy": "SCHED_IDLE"})), "0 0 5");
}

#[test]
fn a_real_time_policy_works_or_the_kernels_refusal_is_told() {
    // A cgroup without time for such processes refuses them; the same document with the host's own cgroup is not ours to try.
    let mut bed = Bed::new();
    bed.set("/linux/resources", json!({"cpu": {"realtimePeriod": 1_000_000}}));
    bed.set("/process/scheduler", json!({"policy": "SCHED_RR", "priority": 3}));
    bed.script(STAT);
    bed.write_config();
    let output = bed.call(&["run", &bed.id]);
    if output.status.success() {
        assert_eq!(crate::bed::text(&output.stdout).trim(), "0 3 2");
    } else {
        let message = crate::bed::text(&output.stderr);
        assert!(message.contains("set the scheduler: operation not permitted"), "{message}");
    }
    bed.check_nothing_left();
}

#[test]
fn a_preference_that_is_reset_on_fork_is_the_programs_alone() {
    let mut bed = Bed::new();
    bed.set(
        "/process/scheduler",
        json!({"policy": "SCHED_OTHER", "nice": -5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
    );
    // The shell's child is as nice as all; the shell reads its own value without a child.
    bed.script(
        "read line < /proc/self/stat; set -- $line; echo ${19}; cut -d' ' -f19 /proc/self/stat; true",
    );
    assert_eq!(bed.run(), "-5\n0\n");
}

#[test]
fn what_no_scheduler_knows_is_refused() {
    for (scheduler, words) in [
        (json!({"policy": "SCHED_MAGIC"}), "\"SCHED_MAGIC\" is unknown"),
        (
            json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_X"]}),
            "\"SCHED_FLAG_X\" is unknown",
        ),
        (json!({"policy": "SCHED_FIFO", "priority": -1}), "priority is negative"),
        (json!({"policy": "SCHED_FIFO", "priority": 1000}), "set the scheduler: invalid argument"),
        (json!({"policy": "SCHED_DEADLINE"}), "set the scheduler: invalid argument"),
    ] {
        let mut bed = Bed::new();
        bed.set("/process/scheduler", scheduler);
        let message = bed.run_err();
        assert!(message.contains(words), "{message}");
        bed.check_nothing_left();
    }
}

#[test]
fn the_disk_priority_is_set_and_checked() {
    let mut bed = Bed::new();
    bed.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 3}));
    bed.script("exec sleep 1000").start();
    let pid = bed.state()["pid"].to_string();
    let output = std::process::Command::new("ionice").args(["-p", &pid]).output().unwrap();
    assert_eq!(crate::bed::text(&output.stdout).trim(), "best-effort: prio 3");
    bed.ok(&["delete", "--force", &bed.id]);
    for (priority, words) in [
        (json!({"class": "IOPRIO_CLASS_X", "priority": 0}), "\"IOPRIO_CLASS_X\" is unknown"),
        (json!({"class": "IOPRIO_CLASS_BE", "priority": 8}), "8 is not between 0 and 7"),
    ] {
        bed.set("/process/ioPriority", priority);
        assert!(bed.run_err().contains(words));
    }
    bed.check_nothing_left();
}

#[test]
fn memory_comes_from_the_nodes_of_the_policy_and_for_execs_too() {
    let mut bed = Bed::new();
    let policy = "head -n 1 /proc/self/numa_maps | cut -d' ' -f2";
    bed.set("/linux/memoryPolicy", json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}));
    bed.script(policy);
    assert_eq!(bed.run(), "interleave:0\n");
    bed.set(
        "/linux/memoryPolicy",
        json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
    );
    bed.script("exec sleep 1000").start();
    assert_eq!(bed.ok(&["exec", &bed.id, "sh", "-c", policy]), "bind=static:0\n");
    bed.ok(&["delete", "--force", &bed.id]);
    for (policy, words) in [
        (json!({"mode": "MPOL_X", "nodes": "0"}), "\"MPOL_X\" is unknown"),
        (json!({"mode": "MPOL_BIND", "nodes": ""}), "MPOL_BIND needs nodes"),
        (json!({"mode": "MPOL_BIND", "nodes": "900"}), "set linux.memoryPolicy: invalid argument"),
    ] {
        bed.set("/linux/memoryPolicy", policy);
        let message = bed.run_err();
        assert!(message.contains(words), "{message}");
    }
    bed.check_nothing_left();
}

#[test]
fn new_files_have_the_modes_that_the_umask_leaves() {
    for (umask, expected) in [(json!(0o077), "600"), (json!(0), "666"), (json!(null), "644")] {
        let mut bed = Bed::new();
        bed.set("/process/user", json!({"uid": 0, "gid": 0, "umask": umask}));
        bed.script("touch /tmp/new; stat -c %a /tmp/new");
        assert_eq!(bed.run().trim(), expected);
    }
}

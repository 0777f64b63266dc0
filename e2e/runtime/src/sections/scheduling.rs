//! config.md, "Linux Process": scheduler, ioPriority and execCPUAffinity.

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::{DEADLINE, Stage};

/// The numbers of sched(7)'s policies.
const POLICIES: [(&str, i64); 3] = [("SCHED_OTHER", 0), ("SCHED_BATCH", 3), ("SCHED_IDLE", 5)];

pub(super) fn section() -> Section {
    let mut cases = scheduler();
    cases.extend(io_priority());
    cases.extend(affinity());
    Section::new("config.md", "Scheduling", cases)
}

fn scheduler() -> Vec<Case> {
    let mut cases: Vec<Case> = POLICIES
        .map(|(name, number)| {
            must(name, format!("The policy is {name}."), move |stage: &mut Stage| {
                assert_eq!(scheduled(stage, json!({"policy": name})).0, number);
            })
            .since(1)
        })
        .into();
    for (name, number) in [("SCHED_FIFO", 1), ("SCHED_RR", 2)] {
        let check = move |stage: &mut Stage| {
            stage.allow_real_time();
            let (policy, priority, _) = scheduled(stage, json!({"policy": name, "priority": 10}));
            assert_eq!((policy, priority), (number, 10));
        };
        cases.push(must(name, format!("The policy is {name}, with its priority."), check).since(1));
    }
    cases.extend([
        must("SCHED_DEADLINE", "The policy is SCHED_DEADLINE, with its three times.", |stage| {
            let times = json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000,
                "deadline": 10_000_000, "period": 20_000_000, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
            assert_eq!(scheduled(stage, times).0, 6);
        })
        .since(1),
        must("nice", "The nice value is the given one.", |stage| {
            let (_, _, nice) = scheduled(stage, json!({"policy": "SCHED_OTHER", "nice": 7}));
            assert_eq!(nice, 7);
        })
        .since(1),
        must("nice-default", "Without one, the nice value is 0.", |stage| {
            let (_, _, nice) = scheduled(stage, json!({"policy": "SCHED_BATCH"}));
            assert_eq!(nice, 0);
        })
        .since(1),
        must("unknown-policy", "A policy that does not exist is refused.", |stage| {
            stage.set("/process/scheduler", json!({"policy": "SCHED_TEA"})).refused();
        })
        .since(1),
        must("unknown-flag", "A flag that does not exist is refused.", |stage| {
            let value = json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_TEA"]});
            stage.set("/process/scheduler", value).refused();
        })
        .since(1),
        must("reset-on-fork", "SCHED_FLAG_RESET_ON_FORK gives children the ordinary policy.", |stage| {
            let value = json!({"policy": "SCHED_RR", "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
            stage.allow_real_time();
            stage.set("/process/scheduler", value);
            // A child of the shell prints its own policy.
            let text = stage.sh("cat /proc/self/stat; true");
            assert_eq!(text.split_whitespace().nth(40), Some("0"), "{text}");
        })
        .since(1),
    ]);
    cases
}

fn io_priority() -> Vec<Case> {
    let class = |class: &'static str, shown: &'static str| {
        move |stage: &mut Stage| {
            stage.set("/process/ioPriority", json!({"class": class, "priority": 3}));
            assert_eq!(stage.sh("ionice"), shown);
        }
    };
    vec![
        must(
            "IOPRIO_CLASS_BE",
            "The class is best effort, with its priority.",
            class("IOPRIO_CLASS_BE", "best-effort: prio 3"),
        )
        .since(1),
        must(
            "IOPRIO_CLASS_RT",
            "The class is real time, with its priority.",
            class("IOPRIO_CLASS_RT", "realtime: prio 3"),
        )
        .since(1),
        must("IOPRIO_CLASS_IDLE", "The class is idle.", |stage| {
            stage.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0}));
            assert!(stage.sh("ionice").starts_with("idle"));
        })
        .since(1),
        must("unknown-class", "A class that does not exist is refused.", |stage| {
            stage
                .set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_TEA", "priority": 0}))
                .refused();
        })
        .since(1),
        must("priority-range", "A priority above 7 is refused.", |stage| {
            stage
                .set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 8}))
                .refused();
        })
        .since(1),
    ]
}

fn affinity() -> Vec<Case> {
    vec![
        must("final-affinity", "A process of exec runs on the final processors.", |stage| {
            assert_eq!(exec_affinity(stage, json!({"initial": "0", "final": "1"})), "1");
        })
        .since(2)
        .needs(Need::TwoProcessors),
        must(
            "default-affinity",
            "Without final ones, it runs on those of the container's cgroup.",
            |stage| {
                assert_eq!(
                    exec_affinity(stage, json!({"initial": "0"})),
                    exec_affinity_of_init(stage)
                );
            },
        )
        .since(2)
        .needs(Need::TwoProcessors),
        must("not-for-init", "execCPUAffinity does not concern the first process.", |stage| {
            let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let own = own.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            stage.set("/process/execCPUAffinity", json!({"initial": "1", "final": "1"}));
            assert_eq!(stage.look().status("Cpus_allowed_list"), own.unwrap_or_default().trim());
        })
        .since(2)
        .needs(Need::TwoProcessors),
    ]
}

/// Policy, priority and nice value of a process with this scheduler.
fn scheduled(stage: &mut Stage, scheduler: Value) -> (i64, i64, i64) {
    stage.set("/process/scheduler", scheduler);
    let seen = stage.look();
    let number = |name: &str| seen.at(name).as_i64().unwrap_or(-100);
    (number("/stat/policy"), number("/stat/rt_priority"), number("/stat/nice"))
}

/// The processors of a process of exec in a container with this affinity.
fn exec_affinity(stage: &mut Stage, affinity: Value) -> String {
    stage.set("/process/execCPUAffinity", affinity);
    stage.background();
    let status = stage.exec(&["cat", "/proc/self/status"]);
    allowed(&status)
}

fn exec_affinity_of_init(stage: &mut Stage) -> String {
    let pid = stage.pid();
    let read = || std::fs::read_to_string(format!("/proc/{pid}/status")).ok();
    let status = gantry_testkit::poll_for(DEADLINE, read).expect("read the first process's status");
    allowed(&status)
}

fn allowed(status: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.expect("the kernel tells the processors").trim().to_owned()
}

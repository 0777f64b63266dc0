//! config-linux.md, "Seccomp": actions, operators, error numbers, flags. The listener is next door.
//!
//! Most cases filter chmod(2) by its mode, an argument that a shell can choose.

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::stage::Stage;

/// An operator with its values; modes that match, and modes that do not.
type Operator = (&'static str, u64, u64, &'static [&'static str], &'static [&'static str]);

const OPERATORS: [Operator; 7] = [
    ("SCMP_CMP_EQ", 0o600, 0, &["600"], &["601", "577"]),
    ("SCMP_CMP_NE", 0o600, 0, &["601", "577"], &["600"]),
    ("SCMP_CMP_LT", 0o600, 0, &["577", "000"], &["600", "601"]),
    ("SCMP_CMP_LE", 0o600, 0, &["577", "600"], &["601"]),
    ("SCMP_CMP_GT", 0o600, 0, &["601", "777"], &["600", "577"]),
    ("SCMP_CMP_GE", 0o600, 0, &["600", "601"], &["577"]),
    ("SCMP_CMP_MASKED_EQ", 0o070, 0o040, &["640", "045"], &["660", "600"]),
];

pub(super) fn section() -> Section {
    let mut cases: Vec<Case> = OPERATORS.map(operator).into();
    cases.extend(actions());
    cases.extend(loading());
    cases.extend(numbers());
    cases.extend(rules());
    cases.extend(names_and_flags());
    cases.extend(refusals());
    Section::new("config-linux.md", "Seccomp", cases)
}

/// A profile that lets everything through but what the rules say.
fn profile(rules: &Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": rules})
}

fn chmod_rule(action: &str) -> Value {
    json!([{"names": ["chmod", "fchmodat"], "action": action}])
}

/// Tries a chmod under a profile and gives what it said, or `done`.
fn chmod_under(stage: &mut Stage, profile: Value) -> String {
    stage.set("/linux/seccomp", profile);
    stage.sh("chmod 640 /marker 2>&1 && echo done; true")
}

fn operator((op, value, value_two, matching, others): Operator) -> Case {
    must(op, format!("{op} compares an argument."), move |stage: &mut Stage| {
        let argument = json!({"index": 1, "value": value, "valueTwo": value_two, "op": op});
        let rule = json!([{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [argument]}]);
        stage.set("/linux/seccomp", profile(&rule));
        let all: Vec<&str> = matching.iter().chain(others).copied().collect();
        let script = format!(
            "for m in {}; do chmod $m /marker 2>/dev/null && echo $m; done; true",
            all.join(" ")
        );
        let passed = stage.sh(&script);
        assert_eq!(passed.lines().collect::<Vec<_>>(), others, "modes that pass");
    })
}

fn actions() -> Vec<Case> {
    let killed = |action: &'static str| {
        move |stage: &mut Stage| {
            stage.set("/linux/seccomp", profile(&chmod_rule(action)));
            let outcome = stage.script("chmod 640 /marker; echo $?").run();
            // SIGSYS is number 31.
            assert_eq!(outcome.stdout.trim(), "159", "{outcome}");
        }
    };
    vec![
        must("SCMP_ACT_ERRNO", "ERRNO makes the call fail with EPERM.", |stage| {
            let said = chmod_under(stage, profile(&chmod_rule("SCMP_ACT_ERRNO")));
            assert!(said.contains("Operation not permitted"), "{said}");
        }),
        must("SCMP_ACT_ALLOW", "ALLOW lets the call through.", |stage| {
            assert_eq!(chmod_under(stage, profile(&chmod_rule("SCMP_ACT_ALLOW"))), "done");
        }),
        must("SCMP_ACT_LOG", "LOG lets the call through.", |stage| {
            assert_eq!(chmod_under(stage, profile(&chmod_rule("SCMP_ACT_LOG"))), "done");
        }),
        must(
            "SCMP_ACT_TRACE",
            "TRACE without a tracer makes the call fail with ENOSYS.",
            |stage| {
                let said = chmod_under(stage, profile(&chmod_rule("SCMP_ACT_TRACE")));
                assert!(said.contains("not implemented"), "{said}");
            },
        ),
        must("SCMP_ACT_TRAP", "TRAP sends SIGSYS.", killed("SCMP_ACT_TRAP")),
        must("SCMP_ACT_KILL", "KILL ends the caller with SIGSYS.", killed("SCMP_ACT_KILL")),
        must(
            "SCMP_ACT_KILL_THREAD",
            "KILL_THREAD ends the thread with SIGSYS.",
            killed("SCMP_ACT_KILL_THREAD"),
        )
        .since(1),
        must(
            "SCMP_ACT_KILL_PROCESS",
            "KILL_PROCESS ends the process with SIGSYS.",
            killed("SCMP_ACT_KILL_PROCESS"),
        )
        .since(1),
        must("default-action", "defaultAction is for all calls that no rule names.", |stage| {
            let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
                "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{"names": &ORDINARY[..], "action": "SCMP_ACT_ALLOW"}]});
            stage.set("/process/noNewPrivileges", json!(true));
            let said = chmod_under(stage, profile);
            assert!(said.contains("Operation not permitted"), "{said}");
        }),
    ]
}

fn loading() -> Vec<Case> {
    vec![
        must("mode", "A filter is loaded when there is a profile.", |stage| {
            stage.set("/linux/seccomp", profile(&chmod_rule("SCMP_ACT_ERRNO")));
            assert_eq!(stage.look().status("Seccomp"), "2");
        }),
        must("none", "Without a profile, there is no filter.", |stage| {
            assert_eq!(stage.look().status("Seccomp"), "0");
        }),
        must("one-filter", "Exactly one filter is loaded.", |stage| {
            stage.set("/linux/seccomp", profile(&chmod_rule("SCMP_ACT_ERRNO")));
            assert_eq!(stage.look().status("Seccomp_filters"), "1");
        }),
        must("plain-user", "The filter holds for a plain user without noNewPrivileges.", |stage| {
            stage.set("/process/user", json!({"uid": 1000, "gid": 1000}));
            stage.set("/linux/seccomp", profile(&chmod_rule("SCMP_ACT_ERRNO")));
            let seen = stage.look();
            assert_eq!((seen.status("Seccomp"), seen.status("NoNewPrivs")), ("2", "0"));
        }),
        must("exec", "The filter holds for processes of exec.", |stage| {
            stage.set("/linux/seccomp", profile(&chmod_rule("SCMP_ACT_ERRNO")));
            stage.background();
            let said = stage.exec(&["sh", "-c", "chmod 640 /marker 2>&1; true"]);
            assert!(said.contains("Operation not permitted"), "{said}");
        }),
    ]
}

fn numbers() -> Vec<Case> {
    vec![
        must("errno", "errnoRet is the error number.", |stage| {
            let rule = json!([{"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]);
            let said = chmod_under(stage, profile(&rule));
            assert!(said.contains("No space left"), "{said}");
        }),
        must("errno-zero", "An errnoRet of 0 makes the call succeed without doing anything.", |stage| {
            let rule = json!([{"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}]);
            stage.set("/linux/seccomp", profile(&rule));
            assert_eq!(stage.sh("chmod 611 /marker && stat -c %a /marker"), "644");
        }),
        must("default-errno", "defaultErrnoRet is the error number of the default action.", |stage| {
            let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 28,
                "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{"names": &ORDINARY[..], "action": "SCMP_ACT_ALLOW"}]});
            stage.set("/process/noNewPrivileges", json!(true));
            let said = chmod_under(stage, profile);
            assert!(said.contains("No space left"), "{said}");
        })
        .since(1),
        must("errno-of-kill", "An errnoRet for an action that has none is refused.", |stage| {
            let rule = json!([{"names": ["chmod"], "action": "SCMP_ACT_KILL", "errnoRet": 5}]);
            stage.set("/linux/seccomp", profile(&rule)).refused();
        }),
        must("errno-of-allow", "That holds for ALLOW, too.", |stage| {
            let rule = json!([{"names": ["chmod"], "action": "SCMP_ACT_ALLOW", "errnoRet": 5}]);
            stage.set("/linux/seccomp", profile(&rule)).refused();
        }),
        must("default-errno-of-allow", "That holds for the default action, too.", |stage| {
            let mut profile = profile(&chmod_rule("SCMP_ACT_ERRNO"));
            profile["defaultErrnoRet"] = json!(5);
            stage.set("/linux/seccomp", profile).refused();
        })
        .since(1),
    ]
}

fn rules() -> Vec<Case> {
    let compare =
        |index: u64, value: u64| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    vec![
        must("several-names", "A rule is for all its names.", |stage| {
            let rule = json!([{"names": ["chmod", "fchmodat", "mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
            stage.set("/linux/seccomp", profile(&rule));
            let said = stage.sh("chmod 640 /marker 2>&1; mkdir /new 2>&1; true");
            assert_eq!(said.matches("Operation not permitted").count(), 2, "{said}");
        }),
        must("several-rules", "Each rule does what it says.", |stage| {
            let rules = json!([{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
                {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}]);
            stage.set("/linux/seccomp", profile(&rules));
            let said = stage.sh("chmod 640 /marker 2>&1; mkdir /new 2>&1; true");
            assert!(said.contains("No space left") && said.contains("quota"), "{said}");
        }),
        must("all-arguments", "All comparisons of a rule must hold.", move |stage: &mut Stage| {
            // socket(2): AF_INET is 2, SOCK_DGRAM 2, SOCK_STREAM 1.
            let rule = json!([{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [compare(0, 2), compare(1, 1)]}]);
            stage.set("/linux/seccomp", profile(&rule));
            // busybox' ifconfig opens a datagram socket, wget a stream.
            let said = stage.sh("ifconfig lo >/dev/null 2>&1 && echo datagram; wget -q http://127.0.0.1:1/ 2>&1; true");
            assert!(said.contains("datagram") && said.contains("not permitted"), "{said}");
        }),
        must("either-rule", "Rules for one call are alternatives.", move |stage: &mut Stage| {
            let one = |mode| json!({"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [compare(1, mode)]});
            stage.set("/linux/seccomp", profile(&json!([one(0o600), one(0o640)])));
            let passed = stage
                .sh("for m in 600 640 660; do chmod $m /marker 2>/dev/null && echo $m; done; true");
            assert_eq!(passed, "660");
        }),
        must("high-half", "An argument is compared in all of its 64 bits.", |stage| {
            // lseek(2) by dd: 4 GiB and 8 KiB, of which the low half is 8 KiB.
            let argument = json!({"index": 1, "value": 8192, "op": "SCMP_CMP_EQ"});
            let rule =
                json!([{"names": ["lseek"], "action": "SCMP_ACT_ERRNO", "args": [argument]}]);
            stage.set("/linux/seccomp", profile(&rule));
            let seek = |blocks: u32| {
                format!(
                    "dd if=/dev/null of=/tmp/f bs=4096 seek={blocks} 2>/dev/null && echo {blocks}"
                )
            };
            let script = format!("{}; {}; true", seek(2), seek(1_048_578));
            assert_eq!(stage.sh(&script), "1048578");
        }),
    ]
}

fn names_and_flags() -> Vec<Case> {
    vec![
        must(
            "unknown-call",
            "A name that this machine's kernel does not have is ignored.",
            |stage| {
                let rule =
                    json!([{"names": ["call_of_tomorrow", "chmod"], "action": "SCMP_ACT_ERRNO"}]);
                let said = chmod_under(stage, profile(&rule));
                assert!(said.contains("Operation not permitted"), "{said}");
            },
        ),
        must("flags", "Known flags are taken.", |stage| {
            let mut profile = profile(&chmod_rule("SCMP_ACT_ERRNO"));
            profile["flags"] = json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]);
            let said = chmod_under(stage, profile);
            assert!(said.contains("Operation not permitted"), "{said}");
        })
        .since(1),
        must("flag-tsync", "The flag TSYNC is taken.", |stage| {
            let mut profile = profile(&chmod_rule("SCMP_ACT_ERRNO"));
            profile["flags"] = json!(["SECCOMP_FILTER_FLAG_TSYNC"]);
            let said = chmod_under(stage, profile);
            assert!(said.contains("Operation not permitted"), "{said}");
        })
        .since(1),
        must(
            "no-architectures",
            "Without architectures, the filter is for the machine's own.",
            |stage| {
                let mut profile = profile(&chmod_rule("SCMP_ACT_ERRNO"));
                profile.as_object_mut().expect("an object").remove("architectures");
                let said = chmod_under(stage, profile);
                assert!(said.contains("Operation not permitted"), "{said}");
            },
        ),
    ]
}

fn refusals() -> Vec<Case> {
    let refused = |id: &'static str, rule: &'static str, edit: fn(&mut Value)| {
        must(id, rule, move |stage: &mut Stage| {
            let mut profile = profile(&chmod_rule("SCMP_ACT_ERRNO"));
            edit(&mut profile);
            stage.set("/linux/seccomp", profile).refused();
        })
    };
    vec![
        refused("unknown-action", "An action that does not exist is refused.", |p| {
            p["syscalls"][0]["action"] = json!("SCMP_ACT_TEA");
        }),
        refused("unknown-default", "So is a default action.", |p| {
            p["defaultAction"] = json!("SCMP_ACT_TEA");
        }),
        refused("unknown-architecture", "An architecture that does not exist is refused.", |p| {
            p["architectures"] = json!(["SCMP_ARCH_TEA"]);
        }),
        refused("unknown-flag", "A flag that does not exist is refused.", |p| {
            p["flags"] = json!(["SECCOMP_FILTER_FLAG_TEA"]);
        }),
        refused("unknown-operator", "An operator that does not exist is refused.", |p| {
            p["syscalls"][0]["args"] = json!([{"index": 0, "value": 0, "op": "SCMP_CMP_TEA"}]);
        }),
        refused("argument-index", "A call has six arguments: there is no number 6.", |p| {
            p["syscalls"][0]["args"] = json!([{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]);
        }),
        refused("no-names", "A rule without names is refused.", |p| {
            p["syscalls"][0]["names"] = json!([]);
        }),
        refused("no-default", "A profile without a default action is refused.", |p| {
            p.as_object_mut().expect("an object").remove("defaultAction");
        }),
    ]
}

/// What busybox' shell needs, and what runtimes call between loading the filter and the program.
const ORDINARY: [&str; 84] = [
    "access",
    "arch_prctl",
    "brk",
    "capget",
    "capset",
    "chdir",
    "clone",
    "clone3",
    "close",
    "close_range",
    "connect",
    "dup",
    "dup2",
    "dup3",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fcntl",
    "fork",
    "fstat",
    "fstatfs",
    "futex",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getpgrp",
    "getpid",
    "getppid",
    "getrandom",
    "gettid",
    "getuid",
    "ioctl",
    "keyctl",
    "kill",
    "lseek",
    "lstat",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pipe2",
    "poll",
    "prctl",
    "pread64",
    "prlimit64",
    "pselect6",
    "read",
    "readlink",
    "readlinkat",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "setgid",
    "setgroups",
    "setuid",
    "sigaltstack",
    "stat",
    "statx",
    "tgkill",
    "umask",
    "wait4",
    "write",
];

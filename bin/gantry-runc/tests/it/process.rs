//! The process: user, limits, capabilities, filter, directory, environment, descriptors.

use std::fs;
use std::os::fd::AsRawFd;

use serde_json::json;

use crate::bed::{Bed, text};

fn bed_with_accounts() -> Bed {
    let bed = Bed::new();
    fs::write(
        bed.rootfs().join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:Web:/var/www:/bin/sh\n",
    )
    .unwrap();
    fs::write(bed.rootfs().join("etc/group"), "root:x:0:\nwww:x:34:\nlogs:x:50:web\n").unwrap();
    bed
}

#[test]
fn users_are_resolved_with_the_containers_files() {
    let mut bed = bed_with_accounts();
    bed.script("echo $(id -u) $(id -g) $(id -G) $HOME");
    for (user, expected) in [
        ("web", "33 34 34 50 /var/www"),
        ("33", "33 34 34 50 /var/www"),
        ("web:logs", "33 50 50 /var/www"),
        ("77:88", "77 88 88 /"),
        ("77", "77 0 0 /"),
    ] {
        bed.set("/process/user", json!({"username": user}));
        assert_eq!(bed.run().trim(), expected, "{user}");
    }
    bed.set("/process/user", json!({"uid": 5, "gid": 6, "additionalGids": [7, 8], "umask": 63}));
    bed.script("echo $(id -u) $(id -g) $(id -G) $HOME $(umask)");
    assert_eq!(bed.run().trim(), "5 6 6 7 8 / 0077");
    bed.set(
        "/process/user",
        json!({"uid": 5, "gid": 6, "additionalGids": [50], "additionalGroupNames": ["logs", "www", "9"]}),
    );
    bed.script("id -G");
    assert_eq!(bed.run().trim(), "6 9 34 50");
    bed.set("/process/user", json!({"uid": 5, "gid": 6, "additionalGroupNames": ["audio"]}));
    let message = bed.run_err();
    assert!(
        message.contains("unable to find group audio: no matching entries in group file"),
        "{message}"
    );
    bed.set("/process/user", json!({"username": "nobody"}));
    let message = bed.run_err();
    assert!(
        message.contains("unable to find user nobody: no matching entries in passwd file"),
        "{message}"
    );
    bed.set("/process/user", json!({"username": "web:nogroup"}));
    let message = bed.run_err();
    assert!(
        message.contains("unable to find group nogroup: no matching entries in group file"),
        "{message}"
    );
    bed.check_nothing_left();
}

#[test]
fn numbers_work_without_any_account_files() {
    let mut bed = Bed::new();
    bed.set("/process/user", json!({"username": "1000:1000"}));
    bed.script("id -u");
    assert_eq!(bed.run(), "1000\n");
}

#[test]
fn capabilities_are_exactly_those_of_the_document() {
    let mut bed = Bed::new();
    bed.script("grep ^Cap /proc/self/status | cut -f2 | tr '\\n' ' '");
    let some = format!("{:016x}", 1_u64 | 1 << 5);
    let none = "0".repeat(16);
    assert_eq!(bed.run().trim(), format!("{none} {some} {some} {some} {none}"));
    // Another user keeps only ambient ones, and cannot get others back.
    bed.set("/process/user", json!({"uid": 9, "gid": 9}));
    assert_eq!(bed.run().trim(), format!("{none} {none} {none} {some} {none}"));
    let set = json!(["CAP_KILL", "CAP_UNKNOWN"]);
    bed.set(
        "/process/capabilities",
        json!({
            "bounding": set, "effective": set, "permitted": set, "inheritable": set, "ambient": set
        }),
    );
    let kill = format!("{:016x}", 1_u64 << 5);
    assert_eq!(bed.run().trim(), [kill.as_str(); 5].join(" "));
    bed.config["process"].as_object_mut().unwrap().remove("capabilities");
    bed.set("/process/user", json!({"uid": 0, "gid": 0}));
    assert_eq!(bed.run().trim(), [none.as_str(); 5].join(" "));
}

#[test]
fn limits_scores_and_flags_are_set() {
    let mut bed = Bed::new();
    bed.set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "hard": 123, "soft": 99}]));
    bed.set("/process/oomScoreAdj", json!(321));
    bed.set("/process/noNewPrivileges", json!(true));
    bed.script(
        "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status",
    );
    assert_eq!(bed.run(), "99\n123\n321\nNoNewPrivs:\t1\n");
    bed.set(
        "/process/rlimits",
        json!([
            {"type": "RLIMIT_NOFILE", "hard": 4_000_000_000_u64, "soft": 99}
        ]),
    );
    let message = bed.run_err();
    assert!(message.contains("error setting rlimit RLIMIT_NOFILE"), "{message}");
    assert!(message.contains("operation not permitted"), "{message}");
    bed.check_nothing_left();
}

#[test]
fn a_process_may_have_fewer_descriptors_than_its_making_takes() {
    for limit in [20, 4] {
        let mut bed = Bed::new();
        bed.set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "hard": limit, "soft": limit}]),
        );
        bed.script("ulimit -n");
        assert_eq!(bed.run(), format!("{limit}\n"));
        bed.script("exec sleep 1000");
        bed.start();
        let found = bed.ok(&["exec", &bed.id, "sh", "-c", "ulimit -n"]);
        assert_eq!(found, format!("{limit}\n"));
    }
}

#[test]
fn the_working_directory_is_made_and_entered() {
    let mut bed = Bed::new();
    bed.set("/process/cwd", json!("/work/deep"));
    bed.script("pwd");
    assert_eq!(bed.run(), "/work/deep\n");
    assert!(bed.rootfs().join("work/deep").is_dir());
    fs::write(bed.rootfs().join("file"), "").unwrap();
    bed.set("/process/cwd", json!("/file"));
    assert!(bed.run_err().contains("enter the working directory \"/file\""));
    bed.check_nothing_left();
}

#[test]
fn the_environment_is_the_documents_and_home() {
    let mut bed = Bed::new();
    bed.set("/process/env", json!(["PATH=/bin", "A=b=c", "EMPTY="]));
    bed.set("/process/args", json!(["env"]));
    assert_eq!(bed.run(), "PATH=/bin\nA=b=c\nEMPTY=\nHOME=/\n");
    bed.set("/process/env", json!(["PATH=/bin", "HOME=/mine"]));
    assert_eq!(bed.run(), "PATH=/bin\nHOME=/mine\n");
}

#[test]
fn of_variables_that_are_there_twice_the_last_counts() {
    let mut bed = bed_with_accounts();
    bed.set("/process/env", json!(["PATH=/no", "FOO=1", "HOME=", "BARE", "PATH=/bin", "BARE"]));
    // What `execve` was given: a shell would show one of each anyway.
    bed.set("/process/args", json!(["cat", "/proc/self/environ"]));
    assert_eq!(bed.run(), "PATH=/bin\0FOO=1\0BARE\0HOME=/root\0");
    bed.script("exec sleep 1000").start();
    let show = ["exec", "-e", "FOO=2", "-e", "FOO=3", &bed.id, "cat", "/proc/self/environ"];
    assert_eq!(bed.ok(&show), "PATH=/bin\0FOO=3\0BARE\0HOME=/root\0");
}

#[test]
fn only_the_standard_streams_reach_the_program() {
    let mut bed = Bed::new();
    // The shell's glob opens /proc/self/fd itself.
    bed.script("cd /proc/self/fd; for f in *; do readlink $f; done | grep -v '/proc/1/fd'");
    bed.write_config();
    let leaked = fs::File::open(bed.dir.path()).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    assert!(leaked.as_raw_fd() > 2);
    let output = bed.call(&["run", &bed.id]);
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
    assert!(!stdout.contains(bed.dir.path().to_str().unwrap()), "{stdout}");
}

#[test]
fn descriptors_that_are_passed_on_purpose_arrive() {
    let mut bed = Bed::new();
    bed.script("cat <&3");
    bed.write_config();
    fs::write(bed.dir.path().join("passed"), "hello").unwrap();
    let line = format!(
        "exec {} --root {} run --preserve-fds 1 {} 3<{}",
        env!("CARGO_BIN_EXE_gantry-runc"),
        bed.dir.path().join("root").display(),
        bed.id,
        bed.dir.path().join("passed").display(),
    );
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &line]).current_dir(bed.bundle()).output().unwrap();
    assert_eq!(text(&output.stdout), "hello", "{}", text(&output.stderr));
}

#[test]
fn a_filter_holds_for_the_program_and_for_exec() {
    for no_new_privileges in [false, true] {
        let mut bed = Bed::new();
        bed.set("/process/noNewPrivileges", json!(no_new_privileges));
        bed.set("/linux/seccomp", json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]
        }));
        bed.script("mkdir /x 2>&1; grep Seccomp: /proc/self/status");
        let output = bed.run();
        assert!(output.contains("Input/output error"), "{output}");
        assert!(output.contains("Seccomp:\t2"), "{output}");
        bed.script("exec sleep 1000");
        bed.start();
        let message = bed.err(&["exec", &bed.id, "mkdir", "/x"]);
        assert!(message.contains("Input/output error"), "{message}");
    }
}

#[test]
fn standard_streams_belong_to_the_user() {
    let mut bed = Bed::new();
    bed.set("/process/user", json!({"uid": 1234, "gid": 1}));
    bed.script("echo again > /dev/stdout; stat -L -c %u /proc/self/fd/1");
    assert_eq!(bed.run(), "again\n1234\n");
}

#[test]
fn the_clocks_of_a_time_namespace_differ() {
    let mut bed = Bed::new();
    bed.push("/linux/namespaces", json!({"type": "time"}));
    bed.set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000_000}}));
    let uptime = "cut -d. -f1 /proc/uptime";
    bed.script(uptime);
    assert!(bed.run().trim().parse::<u64>().unwrap() > 1_000_000_000);
    bed.script("exec sleep 1000").start();
    let inside = bed.ok(&["exec", &bed.id, "sh", "-c", uptime]);
    assert!(inside.trim().parse::<u64>().unwrap() > 1_000_000_000, "exec is elsewhere: {inside}");
    bed.ok(&["delete", "--force", &bed.id]);
    bed.check_nothing_left();
}

#[test]
fn an_exec_has_the_personality_and_its_own_cpus() {
    let mut bed = Bed::new();
    bed.set("/linux/personality", json!({"domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"]}));
    bed.set("/process/execCPUAffinity", json!({"initial": "0", "final": "0"}));
    bed.script("cat /proc/self/personality");
    assert_eq!(bed.run(), "00040008\n");
    bed.script("exec sleep 1000").start();
    assert_eq!(bed.ok(&["exec", &bed.id, "cat", "/proc/self/personality"]), "00040008\n");
    let cpus = bed.ok(&["exec", &bed.id, "grep", "Cpus_allowed_list", "/proc/self/status"]);
    assert_eq!(cpus, "Cpus_allowed_list:\t0\n");
}

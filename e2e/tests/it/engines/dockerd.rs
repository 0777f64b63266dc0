//! dockerd with our runtime: as what it finds by the name of runc, and as a runtime that was added.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gantry_testkit::{Dockerd, Outcome, poll};

use super::SLEEPER;

static DOCKERD: Mutex<Option<Dockerd>> = Mutex::new(None);

/// The one dockerd of all tests here, one test at a time: one of them kills it. Its enclosure goes with this test program.
struct Lease(MutexGuard<'static, Option<Dockerd>>);

impl Lease {
    fn take() -> Self {
        let mut guard = DOCKERD.lock().unwrap_or_else(PoisonError::into_inner);
        guard.get_or_insert_with(Dockerd::start);
        Self(guard)
    }

    fn dockerd(&mut self) -> &mut Dockerd {
        self.0.as_mut().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        self.0.as_ref().unwrap().ok(arguments)
    }

    fn run(&self, flags: &[&str], script: &str) -> Outcome {
        let words = [&["run", "--rm"], flags, &["busybox", "sh", "-c", script]].concat();
        self.0.as_ref().unwrap().docker(&words).run()
    }

    fn sleeper(&self, name: &str, flags: &[&str]) {
        self.ok(
            &[&["run", "-d", "--name", name], flags, &["busybox", "sh", "-c", SLEEPER]].concat()
        );
        poll("the program listens", || {
            self.ok(&["logs", name]).contains("listening").then_some(())
        });
    }

    fn state(&self, name: &str, field: &str) -> String {
        self.ok(&["inspect", name, "--format", &format!("{{{{.State.{field}}}}}")])
    }
}

#[test]
fn a_run_has_a_network_its_output_and_its_status() {
    let docker = Lease::take();
    let outcome =
        docker.run(&[], "echo out; echo err >&2; ip -o -4 addr show eth0 | wc -l; exit 5");
    outcome.exits(5).prints("out\n1\n").complains("err");
    assert_eq!(
        docker.run(&["--runtime", "gantry", "--network", "none"], "echo added").success(),
        "added"
    );
    assert_eq!(docker.run(&["--init"], "cat /proc/1/comm").success(), "docker-init");
    let shown = docker.ok(&[
        "info",
        "--format",
        "{{range $name, $_ := .Runtimes}}{{$name}} {{end}}{{.DefaultRuntime}}",
    ]);
    assert!(shown.contains("gantry ") && shown.ends_with("runc"), "{shown}");
}

#[test]
fn what_cannot_run_gives_the_codes_that_users_know() {
    let docker = Lease::take();
    let run = |program: &str| {
        docker
            .0
            .as_ref()
            .unwrap()
            .docker(&["run", "--rm", "--network", "none", "busybox", program])
            .run()
    };
    run("no-such-program").exits(127).complains("executable file not found in $PATH");
    run("/etc/passwd").exits(126).complains("permission denied");
}

#[test]
fn a_life_with_exec_top_pause_stats_and_a_stop() {
    let docker = Lease::take();
    docker.sleeper("life", &["--network", "none"]);
    assert_eq!(docker.ok(&["exec", "life", "sh", "-c", "echo in; id -u"]), "in\n0");
    assert_eq!(
        docker.0.as_ref().unwrap().docker(&["exec", "life", "sh", "-c", "exit 3"]).run().code,
        3
    );
    let fed = docker
        .0
        .as_ref()
        .unwrap()
        .docker(&["exec", "-i", "-u", "app", "life", "sh", "-c", "cat; id -un"])
        .input("typed\n")
        .run();
    fed.prints("typed\napp\n");
    assert!(docker.ok(&["top", "life"]).contains("sleep"));
    docker.ok(&["pause", "life"]);
    assert_eq!(docker.state("life", "Status"), "paused");
    docker.ok(&["unpause", "life"]);
    let stats = docker.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "life"]);
    assert!(stats.starts_with("life ") && !stats.ends_with(" 0"), "{stats}");
    docker.ok(&["stop", "-t", "10", "life"]);
    assert_eq!(docker.state("life", "ExitCode"), "9");
    assert!(docker.ok(&["logs", "life"]).ends_with("bye"));
    docker.ok(&["start", "life"]);
    docker.ok(&["kill", "life"]);
    assert_eq!(docker.ok(&["wait", "life"]), "137");
    docker.ok(&["rm", "life"]);
}

#[test]
fn limits_hold_and_can_be_changed() {
    let docker = Lease::take();
    docker.sleeper(
        "limits",
        &[
            "--network",
            "none",
            "--memory",
            "64m",
            "--memory-swap",
            "64m",
            "--cpus",
            "0.5",
            "--pids-limit",
            "40",
        ],
    );
    let id = docker.ok(&["inspect", "limits", "--format", "{{.Id}}"]);
    let parent = docker.0.as_ref().unwrap().enclosure().cgroup();
    let file = |controller: &str, name: &str| {
        let path = format!("/sys/fs/cgroup/{controller}{parent}/{id}/{name}");
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("read {path}: {error}"))
            .trim()
            .to_owned()
    };
    assert_eq!(file("memory", "memory.limit_in_bytes"), "67108864");
    assert_eq!(file("cpu", "cpu.cfs_quota_us"), "50000");
    assert_eq!(file("pids", "pids.max"), "40");
    docker.ok(&[
        "update",
        "--memory",
        "100m",
        "--memory-swap",
        "200m",
        "--cpus",
        "0.25",
        "--pids-limit",
        "50",
        "limits",
    ]);
    assert_eq!(file("memory", "memory.limit_in_bytes"), "104857600");
    assert_eq!(file("cpu", "cpu.cfs_quota_us"), "25000");
    assert_eq!(file("pids", "pids.max"), "50");
    docker.ok(&["rm", "-f", "limits"]);

    docker.ok(&[
        "create",
        "--name",
        "oom",
        "--network",
        "none",
        "--memory",
        "20m",
        "busybox",
        "dd",
        "if=/dev/zero",
        "of=/dev/null",
        "bs=100M",
    ]);
    docker.ok(&["start", "oom"]);
    assert_eq!(docker.ok(&["wait", "oom"]), "137");
    poll("the lack of memory is told", || {
        (docker.state("oom", "OOMKilled") == "true").then_some(())
    });
    docker.ok(&["rm", "oom"]);
}

#[test]
fn a_terminal_works_both_ways() {
    let docker = Lease::take();
    // Docker's client tells the size after the start.
    let script =
        "tty; read x; echo \"got $x\"; until stty size | grep '33 101'; do :; done; exit 4";
    let words = ["run", "--rm", "-it", "--network", "none", "busybox", "sh", "-c", script];
    let mut terminal = docker.0.as_ref().unwrap().docker(&words).terminal(33, 101);
    terminal.expect("/dev/pts/0");
    terminal.send("words\r");
    terminal.expect("got words");
    terminal.expect("33 101");
    assert_eq!(terminal.wait(), 4);
}

#[test]
fn the_flags_that_change_the_document_work() {
    let docker = Lease::take();
    let flags = [
        "--network",
        "none",
        "--read-only",
        "--tmpfs",
        "/t:size=1m",
        "--cap-drop",
        "all",
        "--ulimit",
        "nofile=100:200",
        "--hostname",
        "the-host",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--user",
        "app",
        "--security-opt",
        "no-new-privileges",
    ];
    let script = "touch /x 2>&1; touch /t/x && ulimit -n; hostname; cat /proc/sys/net/ipv4/ip_forward; id -un; grep -c 'CapEff:.0*$' /proc/self/status; grep NoNewPrivs /proc/self/status | cut -f2";
    let printed = docker.run(&flags, script).success();
    assert_eq!(printed, "touch: /x: Read-only file system\n100\nthe-host\n1\napp\n1\n1");
    let seccomp = "grep Seccomp: /proc/self/status | cut -f2; mount -t tmpfs t /mnt 2>&1 | tail -1; unshare -n true 2>&1 | tail -1";
    let printed = docker.run(&["--network", "none"], seccomp).success();
    assert!(printed.starts_with("2\n"), "{printed}");
    let device = docker.run(
        &["--network", "none", "--device", "/dev/zero:/dev/nought:r"],
        "head -c 2 /dev/nought | wc -c",
    );
    assert_eq!(device.success(), "2");
}

#[test]
fn a_container_outlives_a_dockerd_that_is_killed() {
    let mut docker = Lease::take();
    docker.sleeper("survivor", &["--network", "none"]);
    let pid = docker.state("survivor", "Pid");
    docker.dockerd().kill();
    docker.dockerd().start_again();
    assert_eq!(docker.state("survivor", "Pid"), pid);
    assert_eq!(docker.ok(&["exec", "survivor", "echo", "again"]), "again");
    docker.ok(&["stop", "-t", "10", "survivor"]);
    assert_eq!(docker.state("survivor", "ExitCode"), "9");
    docker.ok(&["rm", "survivor"]);
}

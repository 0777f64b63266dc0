//! What the daemon gives containers that ask for nothing else.

use gantry_testkit::{Daemon, Options, busybox};

fn daemon(flags: &[&str]) -> Daemon {
    let flags = flags.iter().map(ToString::to_string).collect();
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    daemon
}

#[test]
fn defaults_hold_until_a_container_asks() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile.json");
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}"#;
    std::fs::write(&profile, text).unwrap();
    let daemon = daemon(&[
        "--default-ulimit",
        "nofile=300:400",
        "--default-shm-size",
        "8m",
        "--default-ipc-mode",
        "shareable",
        "--default-cgroupns-mode",
        "private",
        "--no-new-privileges",
        "--init",
        "--seccomp-profile",
        profile.to_str().unwrap(),
    ]);
    let run = |flags: &[&str], script: &str| {
        let words =
            [&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]]
                .concat();
        daemon.gantry(&words).run()
    };
    let script = "ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1 | awk '{print $2}'; \
                  grep NoNewPrivs /proc/self/status | cut -f2; cut -d: -f3 /proc/self/cgroup | sort -u; \
                  test $$ -eq 1 || echo init";
    assert_eq!(run(&[], script).success(), "300\n400\n8192\n1\n/\ninit");
    let own = [
        "--ulimit",
        "nofile=130:140",
        "--shm-size",
        "4m",
        "--security-opt",
        "no-new-privileges=false",
        "--cgroupns",
        "private",
        "--init=false",
    ];
    assert_eq!(run(&own, script).success(), "130\n140\n4096\n0\n/");
    run(&[], "mkdir /x").exits(1).complains("No space left on device");
    assert_eq!(
        run(&["--security-opt", "seccomp=builtin"], "mkdir /x && echo made").success(),
        "made"
    );
    let info = daemon.http("GET", "/info", &[]).json();
    let options = info["SecurityOptions"].as_array().unwrap().clone();
    let has = |text: &str| options.iter().any(|option| option.as_str() == Some(text));
    assert!(has("name=cgroupns") && has("name=no-new-privileges"), "{options:?}");
    assert!(has(&format!("name=seccomp,profile={}", profile.display())), "{options:?}");
}

#[test]
fn selinux_is_left_out_where_the_kernel_has_none() {
    // What there is with it, e2e/vm/selinux shows.
    assert!(!std::path::Path::new("/sys/fs/selinux/enforce").exists());
    let daemon = daemon(&["--selinux-enabled"]);
    assert!(daemon.log().contains("SELinux is not enabled on this host"), "{}", daemon.log());
    let info = daemon.http("GET", "/info", &[]).json();
    assert!(!info["SecurityOptions"].to_string().contains("selinux"), "{info}");
    let folder = daemon.scratch("bound");
    let bound = format!("{}:/bound:Z", folder.display());
    let shared = format!("{}:/shared:ro,z", folder.display());
    let script = "echo x >/bound/file && cat /shared/file";
    let words = ["run", "--name", "labelled", "--network", "none", "-v", &bound, "-v", &shared];
    let run = daemon.gantry(&[&words[..], &["busybox", "sh", "-c", script]].concat()).run();
    assert_eq!(run.success(), "x");
    let labelled = daemon.inspect("labelled");
    assert_eq!((&labelled["ProcessLabel"], &labelled["MountLabel"]), (&"".into(), &"".into()));
    daemon.remove(&["labelled"]);
}

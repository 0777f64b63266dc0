//! podman with our runtime: each flag that changes the container's document, looked at from inside.

use gantry_testkit::Binaries;

use super::podman::podman;

/// Runs a script with these flags and gives what it prints.
#[track_caller]
fn inside(flags: &[&str], script: &str) -> String {
    podman().run(&[&["--rm"], flags, &["busybox", "sh", "-c", script]].concat()).run().success()
}

#[test]
fn the_root_can_be_read_only_and_have_tmpfs_in_it() {
    let script = "touch /file 2>&1; touch /t/file && df -k /t | tail -1 | awk '{print $2}'; ls -ld /m | cut -c1-10";
    let printed = inside(
        &["--read-only", "--tmpfs", "/t:size=1m", "--mount", "type=tmpfs,dst=/m,tmpfs-mode=700"],
        script,
    );
    assert_eq!(printed, "touch: /file: Read-only file system\n1024\ndrwx------");
}

#[test]
fn limits_of_the_process_and_parameters_of_the_kernel_are_set() {
    let flags = [
        "--ulimit",
        "nofile=100:200",
        "--ulimit",
        "nproc=1000:1000",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--sysctl",
        "kernel.msgmax=9000",
    ];
    let script = "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax";
    assert_eq!(inside(&flags, script), "100\n200\n1\n9000");
}

#[test]
fn capabilities_are_what_was_asked_for() {
    let effective = |flags: &[&str]| inside(flags, "grep CapEff /proc/self/status | cut -f2");
    assert_eq!(effective(&["--cap-drop", "all"]), "0000000000000000");
    assert_eq!(effective(&["--cap-drop", "all", "--cap-add", "chown"]), "0000000000000001");
    assert_eq!(
        effective(&["--cap-drop", "all", "--cap-add", "net_admin,kill"]),
        "0000000000001020"
    );
    assert_eq!(effective(&["--user", "1000"]), "0000000000000000");
    assert_eq!(
        inside(
            &["--security-opt", "no-new-privileges"],
            "grep NoNewPrivs /proc/self/status | cut -f2"
        ),
        "1"
    );
}

#[test]
fn system_calls_are_filtered_as_the_profile_says() {
    let mode = |flags: &[&str]| inside(flags, "grep Seccomp: /proc/self/status | cut -f2");
    assert_eq!(mode(&[]), "2");
    assert_eq!(mode(&["--security-opt", "seccomp=unconfined"]), "0");
    let profile = podman().enclosure().folder().join("profile.json");
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}"#;
    std::fs::write(&profile, text).unwrap();
    let option = format!("seccomp={}", profile.display());
    let printed =
        inside(&["--security-opt", &option], "mkdir /tmp/x 2>&1; touch /tmp/y && echo made");
    assert_eq!(printed, "mkdir: can't create directory '/tmp/x': No space left on device\nmade");
}

#[test]
fn names_groups_and_masks_are_set() {
    let flags = [
        "--hostname",
        "the-host",
        "--group-add",
        "44",
        "--umask",
        "0077",
        "--env",
        "A=b",
        "--workdir",
        "/tmp",
    ];
    let printed = inside(&flags, "hostname; id -G; umask; echo $A; pwd; echo $HOME");
    assert_eq!(printed, "the-host\n0 44\n0077\nb\n/tmp\n/root");
}

#[test]
fn an_init_of_ours_is_the_first_process() {
    let init = Binaries::find().path("gantry-init");
    let printed =
        inside(&["--init", "--init-path", &init.to_string_lossy()], "cat /proc/1/comm; echo $$");
    let (first, own) = printed.split_once('\n').unwrap();
    assert_ne!((first, own), ("sh", "1"));
}

#[test]
fn devices_appear_and_obey_their_rules() {
    // One that anybody may open and that no rule allows by itself.
    let device = ["/dev/fuse", "/dev/loop-control", "/dev/net/tun"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
        .expect("a host has one of these devices");
    let script = "(: < /dev/it) && echo read; (: >> /dev/it) 2>&1";
    let device = format!("{device}:/dev/it:r");
    let outcome = podman().run(&["--rm", "--device", &device, "busybox", "sh", "-c", script]).run();
    assert!(outcome.stdout.starts_with("read\n"), "{outcome}");
    assert!(outcome.stdout.contains("Operation not permitted"), "{outcome}");
    let printed = inside(&[], "mknod /tmp/d b 254 0 && cat /tmp/d 2>&1 | head -1");
    assert!(printed.contains("Operation not permitted"), "{printed}");
    let all =
        inside(&["--privileged"], "ls /dev | wc -l; grep Seccomp: /proc/self/status | cut -f2");
    let (count, seccomp) = all.split_once('\n').unwrap();
    assert!(count.parse::<u32>().unwrap() > 40 && seccomp == "0", "{all}");
}

#[test]
fn volumes_have_their_options() {
    let folder = podman().enclosure().folder().join("volume");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("file"), "hello\n").unwrap();
    let volume = |options: &str| format!("{}:/v:{options}", folder.display());
    let printed = inside(&["-v", &volume("ro")], "cat /v/file; touch /v/x 2>&1; true");
    assert_eq!(printed, "hello\ntouch: /v/x: Read-only file system");
    let options = inside(
        &["-v", &volume("noexec,rslave")],
        "awk '$5 == \"/v\" {print $6}' /proc/self/mountinfo",
    );
    assert!(options.contains("noexec"), "{options}");
    inside(&["-v", &volume("rw")], "echo more >> /v/file");
    assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "hello\nmore\n");
}

//! Security options: filters of one's own, paths of the kernel's, cgroups, privileges.

use std::fs;

use crate::shared::{detached, run, shared, unique};

fn inside(flags: &[&str], script: &str) -> String {
    run(flags, &["sh", "-c", script]).success()
}

/// A profile that lets everything through but two calls, one of them only without a capability.
const PROFILE: &str = r#"{
    "defaultAction": "SCMP_ACT_ALLOW",
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
    "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "comment": "nobody"},
        {"names": ["symlink", "symlinkat"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_TIME"]}},
        {"names": ["link", "linkat"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "99.0"}}
    ]
}"#;

#[test]
fn a_filter_of_one_s_own() {
    let path = shared().scratch("profile.json");
    fs::write(&path, PROFILE).unwrap();
    let option = format!("seccomp={}", path.display());
    let own = ["--security-opt", &option];
    run(&own, &["mkdir", "/x"]).exits(1).complains("No space left on device");
    run(&own, &["ln", "-s", "a", "/x"]).exits(1).complains("Operation not permitted");
    assert_eq!(inside(&own, "touch /a && ln /a /b && echo linked"), "linked");
    let with_time = [&own[..], &["--cap-add", "SYS_TIME"]].concat();
    assert_eq!(inside(&with_time, "ln -s a /x && echo linked"), "linked");
    // A privileged container has none unless it asks for one.
    let privileged = [&own[..], &["--privileged"]].concat();
    run(&privileged, &["mkdir", "/x"]).exits(1).complains("No space left on device");
    assert_eq!(inside(&["--privileged"], "mkdir /x && echo made"), "made");
    // An exec is under the same filter.
    let name = unique("filtered");
    detached(&name, &own, &["sleep", "1000"]);
    shared()
        .gantry(&["exec", &name, "mkdir", "/x"])
        .run()
        .exits(1)
        .complains("No space left on device");
    let shown = shared().inspect(&name)["HostConfig"]["SecurityOpt"][0].clone();
    assert!(shown.as_str().unwrap().starts_with("seccomp={\""), "{shown}");
    shared().remove(&[&name]);
}

#[test]
fn a_filter_that_makes_no_sense_is_refused() {
    let path = shared().scratch("bad.json");
    let option = format!("seccomp={}", path.display());
    for (profile, words) in [
        (
            r#"{"defaultAction":"ALLOW"}"#,
            "Decoding seccomp profile failed: unknown variant `ALLOW`",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"name":"b","action":"SCMP_ACT_LOG"}]}"#,
            "use either 'name' or 'names'",
        ),
        ("nonsense", "is not JSON"),
    ] {
        fs::write(&path, profile).unwrap();
        run(&["--security-opt", &option], &["true"]).exits(125).plainly().complains(words);
    }
    run(&["--security-opt", "seccomp=/no/such/file"], &["true"])
        .exits(125)
        .plainly()
        .complains("/no/such/file");
}

#[test]
fn paths_of_the_kernel_can_be_open() {
    let script = "grep -c ' /proc/' /proc/mounts || true";
    assert_eq!(inside(&["--security-opt", "systempaths=unconfined"], script), "0");
    assert_ne!(inside(&[], script), "0");
    let name = unique("open-paths");
    detached(&name, &["--security-opt", "systempaths=unconfined"], &["true"]);
    let host = shared().inspect(&name)["HostConfig"].clone();
    assert_eq!(
        (&host["MaskedPaths"], &host["ReadonlyPaths"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    shared().remove(&[&name]);
}

#[test]
fn cgroups_of_its_own() {
    let script = "d=/sys/fs/cgroup; test -d $d/memory && d=$d/memory; mkdir $d/below && echo made";
    run(&["--cgroupns", "private"], &["sh", "-c", script])
        .exits(1)
        .complains("Read-only file system");
    let flags = ["--cgroupns", "private", "--security-opt", "writable-cgroups=true"];
    assert_eq!(inside(&flags, script), "made");
    run(&["--cgroupns", "host", "--security-opt", "writable-cgroups=true"], &["true"])
        .exits(125)
        .plainly()
        .complains("writable-cgroups needs a cgroup namespace of the container's own");
}

#[test]
fn privileges_and_labels() {
    let privileges =
        |option: &str| inside(&["--security-opt", option], "grep NoNewPrivs /proc/self/status");
    assert!(privileges("no-new-privileges:true").ends_with('1'));
    assert!(privileges("no-new-privileges=false").ends_with('0'));
    assert!(privileges("apparmor=unconfined").ends_with('0'));
    assert!(privileges("label=disable").ends_with('0'));
    for option in ["no-new-privileges=maybe", "label=colour:red", "nonsense=1"] {
        run(&["--security-opt", option], &["true"]).exits(125).plainly();
    }
    let name = unique("labels-off");
    detached(&name, &["--privileged"], &["true"]);
    assert_eq!(
        shared().inspect(&name)["HostConfig"]["SecurityOpt"],
        serde_json::json!(["label=disable"])
    );
    shared().remove(&[&name]);
}

#[test]
fn annotations_reach_the_runtime() {
    let name = unique("annotated");
    let id = detached(&name, &["--annotation", "org.example.note=hello"], &["sleep", "1000"]);
    let bundle = shared().exec_root().join("containers").join(id).join("config.json");
    let config: serde_json::Value = serde_json::from_slice(&fs::read(bundle).unwrap()).unwrap();
    assert_eq!(config["annotations"]["org.example.note"], "hello");
    assert_eq!(shared().inspect(&name)["HostConfig"]["Annotations"]["org.example.note"], "hello");
    shared().remove(&[&name]);
    // Clients of 1.42 know of none.
    let body = br#"{"Image":"busybox","HostConfig":{"Annotations":{"a":"b"}}}"#;
    let created = shared().http("POST", "/v1.42/containers/create", body).json();
    let id = created["Id"].as_str().unwrap();
    assert_eq!(shared().inspect(id)["HostConfig"]["Annotations"], serde_json::Value::Null);
    shared().remove(&[id]);
}

//! Documents in, plans or refusals out.

use gantry_sys::clone::Namespaces;
use gantry_sys::mount::Attributes;

use super::*;

fn spec(linux: &str, process: &str) -> Spec {
    serde_json::from_str(&format!(
        r#"{{"ociVersion": "1.3.0",
            "process": {{"args": ["sh"], "cwd": "/", "user": {{"uid": 0, "gid": 0}} {process}}},
            "linux": {{"namespaces": [{{"type": "mount"}}, {{"type": "cgroup"}}] {linux}}}}}"#
    ))
    .unwrap()
}

fn check_refused(spec: Spec, words: &str) {
    let failure = Plan::new(spec).unwrap_err();
    assert!(failure.message.contains(words), "{:?} does not say {words:?}", failure.message);
}

#[test]
fn a_plain_document_becomes_a_plan() {
    let plan = Plan::new(spec("", "")).unwrap();
    assert_eq!(plan.namespaces.new, Namespaces::MOUNT);
    assert!(plan.namespaces.new_cgroup);
    assert_eq!(plan.process.args, ["sh"]);
}

#[test]
fn documents_that_cannot_work_are_refused() {
    check_refused(Spec::default(), "ociVersion is missing");
    check_refused(Spec { oci_version: "1.3.0".into(), ..Spec::default() }, "process is missing");
    let mut no_args = spec("", "");
    no_args.process.as_mut().unwrap().args.clear();
    check_refused(no_args, "process.args");
    let mut relative = spec("", "");
    relative.process.as_mut().unwrap().cwd = "tmp".into();
    check_refused(relative, "process.cwd");
    let mut nul = spec("", "");
    nul.process.as_mut().unwrap().env.push("A=\0".into());
    check_refused(nul, "NUL");
    let mut host_name = spec("", "");
    host_name.hostname = "h".into();
    check_refused(host_name, "UTS");
    check_refused(
        spec(r#", "uidMappings": [{"containerID":0,"hostID":0,"size":1}]"#, ""),
        "user namespace",
    );
    check_refused(spec(r#", "rootfsPropagation": "sideways""#, ""), "sideways");
    check_refused(spec(r#", "timeOffsets": {"monotonic": {"secs": 1}}"#, ""), "timeOffsets");
    check_refused(spec(r#", "personality": {"domain": "BSD"}"#, ""), "\"BSD\"");
    check_refused(spec(r#", "personality": {"domain": "LINUX", "flags": ["X"]}"#, ""), "\"X\"");
    for list in ["a", "3-1", "-1", "0,,1", "99999"] {
        check_refused(spec("", &format!(r#", "execCPUAffinity": {{"initial": "{list}"}}"#)), list);
    }
    check_refused(
        spec("", r#", "rlimits": [{"type":"RLIMIT_FOO","hard":1,"soft":1}]"#),
        "RLIMIT_FOO",
    );
    check_refused(spec("", r#", "rlimits": [{"type":"RLIMIT_AS","hard":1,"soft":2}]"#), "soft");
    check_refused(spec("", r#", "oomScoreAdj": 1001"#), "1001");
}

#[test]
fn only_parameters_of_the_containers_own_namespaces_can_be_set() {
    let with_ipc = |sysctl: &str| {
        serde_json::from_str::<Spec>(&format!(
            r#"{{"ociVersion": "1.3.0",
                "process": {{"args": ["sh"], "cwd": "/", "user": {{"uid": 0, "gid": 0}}}},
                "linux": {{"namespaces": [{{"type": "mount"}}, {{"type": "ipc"}}],
                "sysctl": {{"{sysctl}": "1"}}}}}}"#
        ))
        .unwrap()
    };
    assert_eq!(
        Plan::new(with_ipc("kernel.shm_rmid_forced")).unwrap().sysctls[0].0,
        "kernel/shm_rmid_forced"
    );
    check_refused(with_ipc("net.ipv4.ip_forward"), "host's namespace");
    check_refused(with_ipc("kernel.panic"), "separate kernel namespace");
    check_refused(with_ipc("fs.mqueue.//..//..//panic"), "");
    check_refused(with_ipc("kernel/../kernel/panic"), "not a parameter's name");
}

#[test]
fn mount_options_are_sorted() {
    let options = MountOptions::parse(&[
        "rbind",
        "ro",
        "nosuid",
        "suid",
        "rro",
        "rslave",
        "size=64k",
        "noatime",
        "strictatime",
        "x",
    ]);
    assert_eq!(options.bind, Some(BindKind(Recursion::All)));
    assert_eq!(options.change.set, Attributes::RDONLY.with(Attributes::STRICTATIME));
    assert_eq!(options.change.clear, Attributes::NOSUID.with(Attributes::ATIME));
    assert_eq!(options.recursive_change.set, Attributes::RDONLY);
    assert!(options.recursive_change.recursive);
    assert_eq!(options.propagation, [(Propagation::Slave, Recursion::All)]);
    assert_eq!(options.value("size"), Some("64k"));
    assert_eq!(options.data[1], ("x".to_owned(), None));
}

#[test]
fn capability_names_become_numbers_and_strange_ones_are_left_out() {
    let names = gantry_oci::runtime::LinuxCapabilities {
        bounding: vec!["CAP_CHOWN".into(), "CAP_CHECKPOINT_RESTORE".into(), "CAP_MAGIC".into()],
        ..Default::default()
    };
    let plan = CapabilityPlan::new(&names);
    assert_eq!(plan.bounding.bits(), 1 | 1 << 40);
    assert!(plan.ambient.is_empty());
}

#[test]
fn offsets_of_clocks_are_words_of_the_kernel() {
    let offsets = |clocks: &str| {
        let text = format!(
            r#"{{"ociVersion": "1.3.0",
                "process": {{"args": ["sh"], "cwd": "/", "user": {{"uid": 0, "gid": 0}}}},
                "linux": {{"namespaces": [{{"type": "mount"}}, {{"type": "time"}}],
                "timeOffsets": {clocks}}}}}"#
        );
        Plan::new(serde_json::from_str(&text).unwrap())
    };
    let clocks = r#"{"monotonic": {"secs": -7, "nanosecs": 5}, "boottime": {"secs": 9}}"#;
    let namespaces = offsets(clocks).unwrap().namespaces;
    assert_eq!(namespaces.time_offsets.as_deref(), Some("boottime 9 0\nmonotonic -7 5\n"));
    assert!(!namespaces.new.contains(Namespaces::TIME) && namespaces.has_time());
    assert!(offsets(r#"{"realtime": {"secs": 1}}"#).unwrap_err().message.contains("realtime"));
    assert!(offsets(r#"{"boottime": {"nanosecs": 1000000000}}"#).is_err());
}

#[test]
fn a_personality_is_a_domain_and_flags() {
    let text = r#", "personality": {"domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"]}"#;
    assert_eq!(Plan::new(spec(text, "")).unwrap().personality, Some(0x004_0008));
}

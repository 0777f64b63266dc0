//! Profiles that cannot be compiled, and what their authors are told.

use gantry_oci::runtime::Seccomp;
use gantry_seccomp::{Flags, Program, compile};
use gantry_types::ErrorKind;
use serde_json::{Value, json};

fn try_compile(profile: Value) -> Result<Program, String> {
    let profile: Seccomp = serde_json::from_value(profile).map_err(|error| error.to_string())?;
    compile(&profile).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        error.to_string()
    })
}

fn check(profile: Value, part_of_the_error: &str) {
    let text = profile.to_string();
    let error = try_compile(profile).expect_err("a bad profile");
    assert!(error.contains(part_of_the_error), "{error:?} for {text:.200}");
}

#[test]
fn bad_profiles() {
    check(json!({ "defaultAction": "SCMP_ACT_FOO" }), "SCMP_ACT_FOO");
    check(
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"] }),
        "unknown architecture \"SCMP_ARCH_PDP11\"",
    );
    check(
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"] }),
        "unknown flag \"SECCOMP_FILTER_FLAG_X\"",
    );
    check(
        json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096 }),
        "errno 4096 of the default action is above 4095",
    );
    check(json!({ "defaultAction": "SCMP_ACT_NOTIFY" }), "cannot be the default action");
}

#[test]
fn bad_rules() {
    let with = |rule: Value| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] });
    check(with(json!({ "names": [""], "action": "SCMP_ACT_KILL" })), "empty system call");
    check(with(json!({ "names": ["read"], "action": "SCMP_ACT_NO" })), "SCMP_ACT_NO");
    check(
        with(json!({ "names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000 })),
        "errno 70000 of the rule for \"read\"",
    );
    check(
        with(json!({ "names": ["read"], "action": "SCMP_ACT_KILL",
                     "args": [{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }] })),
        "argument index 6 of system call \"read\"",
    );
    check(
        with(json!({ "names": ["read"], "action": "SCMP_ACT_KILL",
                     "args": [{ "index": 0, "value": 0, "op": "SCMP_CMP_XX" }] })),
        "SCMP_CMP_XX",
    );
    check(with(json!({ "names": ["read"], "action": "SCMP_ACT_NOTIFY" })), "listenerPath");
    let mut notify = with(json!({ "names": ["write"], "action": "SCMP_ACT_NOTIFY" }));
    notify["listenerPath"] = json!("/run/agent.sock");
    check(notify, "cannot be used for system call \"write\"");
}

#[test]
fn a_filter_above_the_kernels_limit() {
    // Two arguments each, so that no tree can be made of them.
    let rules: Vec<Value> = (0..1000)
        .map(|n| {
            json!({ "names": ["ioctl"], "action": "SCMP_ACT_KILL", "args": [
                { "index": 1, "value": n, "op": "SCMP_CMP_EQ" },
                { "index": 2, "value": n, "op": "SCMP_CMP_EQ" },
            ] })
        })
        .collect();
    let profile =
        |count: usize| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules[..count] });
    check(profile(1000), "more than 4096 instructions");
    // Far jumps: more than 255 instructions in one piece.
    let program = try_compile(profile(400)).unwrap();
    assert!((2000..4096).contains(&program.instructions().len()));
    let many: Vec<Value> = (0..5000)
        .map(|n| {
            json!({ "names": ["ioctl"], "action": "SCMP_ACT_KILL",
                    "args": [{ "index": 1, "value": 2 * n, "op": "SCMP_CMP_EQ" }] })
        })
        .collect();
    check(
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": many }),
        "more than 4096 conditional rules",
    );
}

#[test]
fn flags() {
    let flags = |flags: Value| {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "flags": flags, "listenerPath": "/run/agent.sock",
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }],
        });
        try_compile(profile).unwrap().flags()
    };
    assert_eq!(flags(json!([])), Flags::NEW_LISTENER.union(Flags::SPEC_ALLOW));
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_TSYNC"])), Flags::NEW_LISTENER);
    assert_eq!(
        flags(json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])),
        Flags::NEW_LISTENER.union(Flags::LOG).union(Flags::WAIT_KILLABLE_RECV)
    );
    let alone = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
    });
    assert_eq!(try_compile(alone).unwrap().flags().bits(), 0);
}

#[test]
fn a_repeated_argument_means_either() {
    let rule =
        |args: Value| json!({ "names": ["getpid"], "action": "SCMP_ACT_KILL", "args": args });
    let one = json!({ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" });
    let two = json!({ "index": 0, "value": 2, "op": "SCMP_CMP_EQ" });
    let compile = |rules: Value| {
        try_compile(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules })).unwrap()
    };
    assert_eq!(
        compile(json!([rule(json!([one, two]))])),
        compile(json!([rule(json!([one])), rule(json!([two]))]))
    );
}

//! The default profile: what it lets through, how large its program is, and that it is found ready.

use std::time::Instant;

use gantry_oci::runtime::Seccomp;
use gantry_seccomp::{
    COMPILER_VERSION, Flags, Machine, compile, compile_for, default_profile, default_profile_for,
};

use crate::interpreter::{Call, run};

const X86_64: u32 = 0xc000_003e;
const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL_THREAD: u32 = 0;
/// What Docker gives a container; only one of them opens a call.
const USUAL: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

fn check(capabilities: &[&str], number: u32, first_argument: u64, expected: u32) {
    let program =
        compile_for(Machine::X86_64, &default_profile_for(Machine::X86_64, capabilities)).unwrap();
    let call = Call { audit: X86_64, number, args: [first_argument, 0, 0, 0, 0, 0] };
    assert_eq!(run(program.instructions(), call).answer, expected, "{call:x?} {capabilities:?}");
}

#[test]
fn what_it_lets_through() {
    check(&USUAL, 0, 0, ALLOW); // read
    check(&USUAL, 161, 0, ALLOW); // chroot
    check(&[], 161, 0, EPERM);
    check(&USUAL, 165, 0, EPERM); // mount
    check(&["CAP_SYS_ADMIN"], 165, 0, ALLOW);
    check(&USUAL, 56, 0x11, ALLOW); // clone, as fork does
    check(&USUAL, 56, 0x1000_0011, EPERM); // … with a user namespace
    check(&["CAP_SYS_ADMIN"], 56, 0x1000_0011, ALLOW);
    check(&USUAL, 435, 0, ENOSYS); // clone3
    check(&["CAP_SYS_ADMIN"], 435, 0, ALLOW);
    check(&USUAL, 41, 2, ALLOW); // socket AF_INET
    check(&USUAL, 41, 38, EPERM); // AF_ALG
    check(&USUAL, 41, 40, EPERM); // AF_VSOCK
    check(&USUAL, 41, 1 << 32 | 2, EPERM); // a family that only looks like AF_INET in its lower half
    check(&USUAL, 135, 0xffff_ffff, ALLOW); // personality, the question
    check(&USUAL, 135, 0x0040_0000, EPERM); // ADDR_NO_RANDOMIZE
    check(&USUAL, 425, 0, EPERM); // io_uring_setup
    check(&USUAL, 5000, 0, ENOSYS); // newer than the profile
}

#[test]
fn a_foreign_architecture_is_killed() {
    let program = compile_for(Machine::X86_64, &default_profile_for(Machine::X86_64, &USUAL));
    let call = Call { audit: 0xc000_00b7, number: 0, args: [0; 6] };
    assert_eq!(run(program.unwrap().instructions(), call).answer, KILL_THREAD);
}

#[test]
fn it_is_small_and_shallow() {
    let profile = default_profile(&USUAL);
    let program = compile(&profile).unwrap();
    let length = program.instructions().len();
    let deepest = (0..600)
        .map(|number| Call { audit: X86_64, number, args: [0; 6] })
        .map(|call| run(program.instructions(), call).steps)
        .max();
    eprintln!("{length} instructions, at most {deepest:?} to an answer");
    assert!(length < 600, "{length} instructions");
    assert!(deepest < Some(24), "{deepest:?} steps");
    assert!(program.flags().contains(Flags::SPEC_ALLOW) && !program.has_listener());
}

#[test]
fn ready_programs_equal_compiled_ones() {
    for capabilities in [&USUAL[..], &[]] {
        let profile = default_profile(capabilities);
        let ready = compile(&profile).unwrap();
        // A rule that changes nothing makes the profile an unknown one.
        let mut disguised = profile.clone();
        let mut redundant = profile.syscalls[0].clone();
        redundant.names = vec!["read".to_owned()];
        disguised.syscalls.push(redundant);
        assert_eq!(ready, compile(&disguised).unwrap());
    }
}

#[test]
fn a_changed_profile_is_not_taken_for_the_default() {
    let mut profile = default_profile(&USUAL);
    profile.syscalls[0].names.retain(|name| name != "read");
    let program = compile(&profile).unwrap();
    let call = Call { audit: X86_64, number: 0, args: [0; 6] };
    let native = cfg!(target_arch = "x86_64");
    assert!(!native || run(program.instructions(), call).answer == EPERM);
}

#[test]
fn it_survives_the_way_through_a_file() {
    let profile = default_profile(&USUAL);
    let text = serde_json::to_string(&profile).unwrap();
    let start = Instant::now();
    let read: Seccomp = serde_json::from_str(&text).unwrap();
    let parsed = start.elapsed();
    let program = compile(&read).unwrap();
    eprintln!("{} bytes, read in {parsed:?}, with its program {:?}", text.len(), start.elapsed());
    assert_eq!(program, compile(&profile).unwrap());
}

/// Programs are kept under the compiler's version: when this fails, the version must be raised, and this number with it.
#[test]
fn a_compiler_that_says_something_else_has_another_version() {
    let profile = |value| serde_json::from_value::<Seccomp>(value).unwrap();
    let mut profiles = vec![default_profile(&[] as &[&str]), default_profile(&["CAP_SYS_ADMIN"])];
    for operator in ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] {
        let arg = |index: u32| {
            serde_json::json!({ "index": index, "value": 0x5_0000_0007_u64, "valueTwo": 7,
                                "op": format!("SCMP_CMP_{operator}") })
        };
        profiles.push(profile(serde_json::json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [
                { "names": ["read", "socket"], "action": "SCMP_ACT_ALLOW", "args": [arg(1)] },
                { "names": ["write", "semop"], "action": "SCMP_ACT_TRAP", "args": [arg(2), arg(3)] },
            ],
        })));
    }
    let programs = profiles.iter().map(|it| compile_for(Machine::X86_64, it).unwrap());
    let words = programs.flat_map(|program| {
        let instructions = program.instructions().to_vec();
        instructions.into_iter().flat_map(|it| {
            [u64::from(it.code), u64::from(it.jt), u64::from(it.jf), u64::from(it.k)]
        })
    });
    let sum = words.fold(0_u64, |sum, word| sum.rotate_left(5).wrapping_mul(31).wrapping_add(word));
    assert_eq!((COMPILER_VERSION, sum), (1, 6_937_368_287_234_013_870));
}

//! The program's answers, by an interpreter, against the rules' meaning; and the kernel's, on a v2 cgroup of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_oci::runtime::DeviceRule;
use gantry_sys::bpf;

use super::super::rule::DEFAULTS;
use super::*;

/// Runs the program as the kernel would.
fn run(program: &[Instruction], kind: u32, access: u32, (major, minor): (u32, u32)) -> bool {
    let context = [access << 16 | kind, major, minor];
    let mut registers = [0_u64; 11];
    let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap();
    let mut at = 0_usize;
    loop {
        let Instruction { code, registers: names, offset, value } = program[at];
        let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
        at += 1;
        let unsigned = value.cast_unsigned();
        let mut jump = |holds: bool| {
            if holds {
                at += usize::try_from(offset).unwrap();
            }
        };
        match code {
            bpf::LOAD_WORD => {
                assert_eq!(from, 1, "only the context is memory");
                registers[to] = context[usize::try_from(offset / 4).unwrap()].into();
            }
            bpf::COPY => registers[to] = registers[from],
            bpf::SET => registers[to] = u64::from(unsigned),
            bpf::AND => registers[to] = u64::from(low(registers[to]) & unsigned),
            bpf::SHIFT_RIGHT => registers[to] = u64::from(low(registers[to]) >> unsigned),
            bpf::JUMP_IF_EQUAL => jump(low(registers[to]) == unsigned),
            bpf::JUMP_UNLESS_EQUAL => jump(low(registers[to]) != unsigned),
            bpf::EXIT => return registers[0] == 1,
            _ => panic!("instruction {code:#x}"),
        }
    }
}

/// What the rules mean: for each bit of the request the last rule about it counts, and all bits must be allowed.
fn meaning(rules: &[Rule], kind: Kind, access: u8, (major, minor): (u32, u32)) -> bool {
    let device = super::super::rule::Pattern { kind, major: Some(major), minor: Some(minor) };
    [Access::MKNOD, Access::READ, Access::WRITE].into_iter().filter(|bit| bit.0 & access != 0).all(
        |bit| {
            rules
                .iter()
                .rev()
                .find(|rule| rule.pattern.covers(device) && !(rule.access & bit).is_none())
                .is_some_and(|rule| rule.allow)
        },
    )
}

fn rule(allow: bool, kind: &str, numbers: (Option<i64>, Option<i64>), access: &str) -> Rule {
    Rule::parse(&DeviceRule {
        allow,
        kind: kind.to_owned(),
        major: numbers.0,
        minor: numbers.1,
        access: access.to_owned(),
    })
    .unwrap()
}

fn check(rules: &[Rule]) {
    let program = compile(rules).unwrap();
    let numbers = [0, 1, 3, 5, 8, 10, 136, 0x8000_0001];
    for (kind, number) in [(Kind::Block, 1), (Kind::Character, 2)] {
        for access in 1..8_u8 {
            for major in numbers {
                for minor in numbers {
                    assert_eq!(
                        run(&program, number, access.into(), (major, minor)),
                        meaning(rules, kind, access, (major, minor)),
                        "{kind:?} {major}:{minor} access {access} under {rules:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn answers_are_what_the_rules_mean() {
    check(&[]);
    check(DEFAULTS);
    check(&[rule(true, "a", (None, None), "rwm"), rule(false, "c", (Some(1), Some(3)), "w")]);
    check(&[
        rule(true, "c", (Some(1), None), "r"),
        rule(true, "c", (Some(1), Some(3)), "w"),
        rule(false, "", (None, Some(8)), "m"),
        rule(true, "b", (Some(8), None), "rwm"),
        rule(false, "b", (Some(8), Some(5)), "rwm"),
        rule(true, "a", (Some(0x8000_0001), None), "rm"),
    ]);
    check(&[
        rule(true, "b", (Some(8), None), "rwm"),
        rule(false, "a", (None, None), "rwm"),
        rule(true, "c", (Some(10), Some(10)), "rw"),
    ]);
}

#[test]
fn every_sequence_of_three_rules() {
    let some = [
        rule(true, "a", (None, None), "rwm"),
        rule(false, "a", (None, None), "rwm"),
        rule(true, "c", (Some(1), Some(3)), "rw"),
        rule(false, "c", (Some(1), None), "w"),
        rule(true, "b", (None, Some(5)), "m"),
        rule(false, "a", (None, Some(3)), "r"),
    ];
    for first in some {
        for second in some {
            for third in some {
                check(&[first, second, third]);
            }
        }
    }
}

#[test]
fn too_many_rules() {
    let rules = vec![rule(true, "c", (Some(1), Some(3)), "rw"); MAX_RULES + 1];
    assert!(compile(&rules).unwrap_err().to_string().contains("at most 512"));
}

#[test]
fn bad_rules() {
    let check = |kind: &str, major: i64, access: &str, part: &str| {
        let rule = DeviceRule {
            allow: true,
            kind: kind.to_owned(),
            major: Some(major),
            minor: None,
            access: access.to_owned(),
        };
        let error = Rule::parse(&rule).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check("x", 1, "rwm", "the type must be");
    check("c", -2, "rwm", "between 0 and");
    check("c", 1 << 32, "rwm", "between 0 and");
    check("c", 1, "rx", "the access must be");
    check("c", 1, "", "device rule \"allow c 1:* \"");
}

/// A v2 cgroup that goes when the test does.
struct OwnCgroup(PathBuf);

impl OwnCgroup {
    fn new(name: &str) -> Self {
        let hierarchies = crate::Hierarchies::detect().unwrap();
        let unified = hierarchies.iter().find(|it| it.version() == crate::Version::V2);
        let root = unified.expect("this test needs a mounted cgroup v2 hierarchy").root();
        let path = root.join(format!("gantry-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Whether a process in the cgroup can read from a device.
    fn can_read(&self, device: &str) -> bool {
        let script = "echo 0 > \"$1/cgroup.procs\" || exit 3; exec 3< \"$2\" || exit 1";
        let status = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&self.0)
            .arg(device)
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_ne!(status.code(), Some(3), "the process could not join");
        status.success()
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        // A process that just ended may hold it for a moment.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while std::fs::remove_dir(&self.0).is_err() && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

#[test]
fn the_kernel_takes_it_and_asks_it() {
    let cgroup = OwnCgroup::new("devices");
    let directory = Directory::open(Path::new(&cgroup.0)).unwrap();
    assert!(cgroup.can_read("/dev/kmsg"));

    apply(&directory, DEFAULTS).unwrap();
    assert!(cgroup.can_read("/dev/zero") && !cgroup.can_read("/dev/kmsg"));

    let mut more = DEFAULTS.to_vec();
    more.push(rule(true, "c", (Some(1), Some(11)), "r"));
    apply(&directory, &more).unwrap();
    assert!(cgroup.can_read("/dev/kmsg"));
    // The new one took the old one's place.
    assert_eq!(bpf::device_programs(directory.as_fd()).unwrap().len(), 1);

    apply(&directory, &[rule(false, "a", (None, None), "rwm")]).unwrap();
    assert!(!cgroup.can_read("/dev/zero"));
}

//! libseccomp, asked through a small C program that the tests compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use gantry_oci::runtime::{Seccomp, SeccompAction, SeccompOperator};
use gantry_seccomp::Instruction;

const PACKAGES: &str = "this test needs the Debian packages gcc and libseccomp-dev";

/// libseccomp's filter for a profile.
pub(crate) struct Oracle {
    pub(crate) program: Vec<Instruction>,
    /// Names that this libseccomp is too old for.
    pub(crate) unknown: BTreeSet<String>,
    /// The highest number that the profile names, by architecture as the specification calls it.
    pub(crate) newest: BTreeMap<&'static str, u32>,
}

/// The specification's name, libseccomp's name and libseccomp's token.
const ARCHITECTURES: &[(&str, &str, u32)] = &[
    ("SCMP_ARCH_X86_64", "x86_64", 0xc000_003e),
    ("SCMP_ARCH_X86", "x86", 0x4000_0003),
    ("SCMP_ARCH_X32", "x32", 0x4000_003e),
    ("SCMP_ARCH_AARCH64", "aarch64", 0xc000_00b7),
    ("SCMP_ARCH_ARM", "arm", 0x4000_0028),
];

pub(crate) fn ask(profile: &Seccomp) -> Oracle {
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the oracle was just built");
    child.stdin.take().unwrap().write_all(question(profile).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "libseccomp refuses the profile: {notes}");
    let mut unknown = BTreeSet::new();
    let mut newest = BTreeMap::new();
    for line in notes.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["unknown", name] => {
                unknown.insert(name.to_owned());
            }
            ["newest", token, number] => {
                let token = u32::from_str_radix(token, 16).unwrap();
                let name = ARCHITECTURES.iter().find(|it| it.2 == token).unwrap().0;
                if let Ok(number) = number.parse() {
                    newest.insert(name, number);
                }
            }
            _ => panic!("{line}"),
        }
    }
    Oracle { program: instructions(&output.stdout), unknown, newest }
}

fn instructions(bytes: &[u8]) -> Vec<Instruction> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty() && !chunks.is_empty());
    chunks
        .iter()
        .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| Instruction {
            code: u16::from_le_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        })
        .collect()
}

fn question(profile: &Seccomp) -> String {
    let mut text = String::new();
    let default = action(profile.default_action, profile.default_errno_ret);
    writeln!(text, "default {default:x}").unwrap();
    for name in &profile.architectures {
        let known = ARCHITECTURES.iter().find(|it| it.0 == name).unwrap();
        writeln!(text, "arch {}", known.1).unwrap();
    }
    for rule in &profile.syscalls {
        for name in &rule.names {
            let action = action(rule.action, rule.errno_ret);
            write!(text, "rule {action:x} {name} {}", rule.args.len()).unwrap();
            for arg in &rule.args {
                let operator = match arg.op {
                    SeccompOperator::NotEqual => 1,
                    SeccompOperator::Less => 2,
                    SeccompOperator::LessOrEqual => 3,
                    SeccompOperator::Equal => 4,
                    SeccompOperator::GreaterOrEqual => 5,
                    SeccompOperator::Greater => 6,
                    SeccompOperator::MaskedEqual => 7,
                };
                let (index, a, b) = (arg.index, arg.value, arg.value_two);
                write!(text, " {index} {operator} {a:x} {b:x}").unwrap();
            }
            text.push('\n');
        }
    }
    text
}

/// An action as libseccomp encodes it, which is the kernel's encoding.
pub(crate) fn action(action: SeccompAction, errno: Option<u32>) -> u32 {
    let errno = errno.unwrap_or(1);
    match action {
        SeccompAction::Kill | SeccompAction::KillThread => 0,
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno => 0x0005_0000 | errno,
        SeccompAction::Notify => 0x7fc0_0000,
        SeccompAction::Trace => 0x7ff0_0000 | errno,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

/// Builds the oracle once for all tests of this process.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oracle.c");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join("seccomp-oracle");
        let unfinished = folder.join(format!("seccomp-oracle.{}", std::process::id()));
        let output = Command::new("cc")
            .args(["-O1", "-Wall", "-o"])
            .arg(&unfinished)
            .args([source, "-lseccomp"])
            .output()
            .unwrap_or_else(|error| panic!("cannot run cc ({error}): {PACKAGES}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cannot build the oracle: {PACKAGES}\n{errors}");
        std::fs::rename(&unfinished, &program).unwrap();
        program
    })
}

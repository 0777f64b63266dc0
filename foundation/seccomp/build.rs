//! Compiles the default profile's programs for the usual sets of capabilities, with the crate's own compiler.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the modules are the crate's own; this program needs a part of each"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

#[path = "src/action.rs"]
mod action;
#[path = "src/architecture.rs"]
mod architecture;
#[path = "src/assemble.rs"]
mod assemble;
#[path = "src/default_profile.rs"]
mod default_profile;
#[path = "src/emit.rs"]
mod emit;
#[path = "src/instruction.rs"]
mod instruction;
#[path = "src/multiplex.rs"]
mod multiplex;
#[path = "src/partition.rs"]
mod partition;
#[path = "src/resolve.rs"]
mod resolve;
#[path = "src/rule.rs"]
mod rule;
#[path = "src/syscalls.rs"]
mod syscalls;

use architecture::Machine;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
    let machine = match variable("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => Machine::X86_64,
        "aarch64" => Machine::Aarch64,
        other => return Err(format!("no system call table for {other}").into()),
    };

    let mut source = String::from("/// One for each of the usual sets of capabilities.\n");
    source.push_str("#[allow(clippy::unreadable_literal, reason = \"no one reads them\")]\n");
    source.push_str("static PROGRAMS: &[&[Instruction]] = &[\n");
    for capabilities in default_profile::USUAL_CAPABILITIES {
        let profile = default_profile::profile(machine, capabilities);
        let program = emit::program(&profile).map_err(|refusal| format!("{refusal:?}"))?;
        source.push_str("    &[\n");
        for instruction::Instruction { code, jt, jf, k } in program {
            writeln!(
                source,
                "        Instruction {{ code: {code}, jt: {jt}, jf: {jf}, k: {k} }},"
            )?;
        }
        source.push_str("    ],\n");
    }
    source.push_str("];\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("programs.rs"), source)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build programs by environment")]
fn variable(name: &str) -> Result<String, env::VarError> {
    env::var(name)
}

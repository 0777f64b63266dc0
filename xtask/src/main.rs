//! `cargo xtask`: the project's own chores. The rules themselves are in the library beside this file.

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask check [--root DIR] [RULE...]

Checks the rules of ARCHITECTURE.md that a program can test.
RULE is one of the names that `cargo xtask rules` prints; without one, all are checked.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("check") => match parse_check(arguments) {
            Ok(request) => check(&request),
            Err(message) => usage_error(&message),
        },
        Some("rules") => {
            for rule in xtask::RULES {
                println!("{:<22} {}", rule.name, rule.promise);
            }
            ExitCode::SUCCESS
        }
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some(other) => usage_error(&format!("unknown task: {other}")),
        None => usage_error("no task given"),
    }
}

struct CheckRequest {
    root: PathBuf,
    rules: Vec<String>,
}

fn parse_check(mut arguments: impl Iterator<Item = String>) -> Result<CheckRequest, String> {
    let mut request = CheckRequest { root: checkout(), rules: Vec::new() };
    while let Some(argument) = arguments.next() {
        if argument == "--root" {
            request.root = arguments.next().ok_or("--root needs a directory")?.into();
        } else if argument.starts_with('-') {
            return Err(format!("unknown flag: {argument}"));
        } else if xtask::RULES.iter().any(|rule| rule.name == argument) {
            request.rules.push(argument);
        } else {
            return Err(format!("unknown rule: {argument} (see `cargo xtask rules`)"));
        }
    }
    Ok(request)
}

/// The checkout that this program was built from.
fn checkout() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

fn check(request: &CheckRequest) -> ExitCode {
    match xtask::check(&request.root, &request.rules) {
        Ok(violations) if violations.is_empty() => {
            println!("xtask check: every rule holds");
            ExitCode::SUCCESS
        }
        Ok(violations) => {
            for violation in &violations {
                println!("{violation}");
            }
            eprintln!("xtask check: {} violations", violations.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask check: {}", xtask::with_causes(&error));
            ExitCode::from(2)
        }
    }
}

fn usage_error(message: &str) -> ExitCode {
    eprintln!("xtask: {message}\n\n{USAGE}");
    ExitCode::from(2)
}

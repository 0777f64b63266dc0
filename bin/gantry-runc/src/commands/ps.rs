//! `ps [--format table|json] ID`.

use std::fs;

use super::{lines, print, print_json};
use crate::arguments::{Arguments, value};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("ps", &[value("format").short("f")], args)?;
    let pids = gantry_runtime::processes(&global.state_dir(args.only_id("ps")?)?)?;
    match args.get("format") {
        Some("json") => print_json(&pids),
        None | Some("table") => {
            let rows: Vec<String> =
                pids.iter().map(|pid| format!("{pid:>7} {}", command(*pid))).collect();
            print(&format!("    PID CMD\n{}", lines(&rows)))
        }
        Some(other) => Err(Error::usage(format!("--format is table or json, not {other:?}"))),
    }
}

/// The command line, on one line. A container chooses it freely: control characters stay out of the caller's terminal.
fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&line).replace('\0', " ");
    text.trim_end().chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

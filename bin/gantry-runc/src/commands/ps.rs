//! `ps [--format table|json] ID [OPTION…]`: with options, what `ps(1)` of the host shows of the container's processes.

use std::fs;
use std::process::Command;

use super::{lines, print, print_json};
use crate::arguments::{Arguments, value};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let args = Arguments::parse("ps", &[value("format").short("f")], args)?;
    let Some((id, options)) = args.rest.split_first() else {
        return Err(Error::usage("ps takes a container id and perhaps options of ps(1)"));
    };
    let pids = gantry_runtime::processes(&global.state_dir(id)?)?;
    match args.get("format") {
        Some("json") => print_json(&pids),
        None | Some("table") if options.is_empty() => {
            let rows: Vec<String> =
                pids.iter().map(|pid| format!("{pid:>7} {}", command(*pid))).collect();
            print(&format!("    PID CMD\n{}", lines(&rows)))
        }
        None | Some("table") => print(&lines(&rows_of(&hosts_table(options)?, &pids)?)),
        Some(other) => Err(Error::usage(format!("--format is table or json, not {other:?}"))),
    }
}

/// The command line, on one line.
fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    printable(String::from_utf8_lossy(&line).replace('\0', " ").trim_end())
}

/// What the host's `ps` prints with these options.
fn hosts_table(options: &[String]) -> Result<String, Error> {
    let output = Command::new("ps").args(options).output();
    let output = output.map_err(|source| Error::System { what: "run ps", source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().find(|line| !line.is_empty()).unwrap_or_default();
    Err(Error::usage(format!("ps {}: {}", options.join(" "), printable(reason))))
}

/// The table's head, and its rows about these processes.
fn rows_of(table: &str, pids: &[i32]) -> Result<Vec<String>, Error> {
    let mut rows = table.lines();
    let head = rows.next().unwrap_or_default();
    let column = head
        .split_whitespace()
        .position(|name| name == "PID")
        .ok_or_else(|| Error::usage("with these options ps prints no column PID"))?;
    let pid_of = |row: &str| row.split_whitespace().nth(column)?.parse::<i32>().ok();
    let wanted = rows.filter(|row| pid_of(row).is_some_and(|pid| pids.contains(&pid)));
    Ok([head].into_iter().chain(wanted).map(printable).collect())
}

/// A container chooses its command lines freely: control characters stay out of the caller's terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

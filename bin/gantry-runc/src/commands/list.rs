//! `list [--format table|json] [--quiet]`.

use std::fs;
use std::io;

use super::state::{Report, report};
use super::{lines, print, print_json};
use crate::arguments::{Arguments, switch, value};
use crate::error::Error;
use crate::global::Global;

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let flags = [value("format").short("f"), switch("quiet").short("q")];
    let args = Arguments::parse("list", &flags, args)?;
    let reports = reports(global)?;
    if args.is_set("quiet") {
        let ids: Vec<&str> = reports.iter().map(|report| report.state.id.as_str()).collect();
        return print(&lines(&ids));
    }
    match args.get("format") {
        Some("json") => print_json(&reports),
        None | Some("table") => print(&table(&reports)),
        Some(other) => Err(Error::usage(format!("--format is table or json, not {other:?}"))),
    }
}

fn reports(global: &Global) -> Result<Vec<Report>, Error> {
    let entries = match fs::read_dir(&global.root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => {
            read.map_err(|source| Error::File { what: "read", path: global.root.clone(), source })?
        }
    };
    let mut reports: Vec<Report> = entries
        .flatten()
        // A container may be made or removed while we look.
        .filter_map(|entry| report(&entry.path()).ok())
        .collect();
    reports.sort_by(|a, b| a.state.id.cmp(&b.state.id));
    Ok(reports)
}

fn table(reports: &[Report]) -> String {
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    rows.extend(reports.iter().map(|report| {
        [
            report.state.id.clone(),
            report.state.pid.unwrap_or(0).to_string(),
            report.state.status.as_str().to_owned(),
            report.state.bundle.clone(),
            report.created.clone(),
            report.owner.clone(),
        ]
    }));
    align(&rows)
}

/// Columns as wide as their longest entry and three spaces.
fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, entry) in row.iter().enumerate() {
            text.push_str(entry);
            if column + 1 < N {
                text.push_str(&" ".repeat(widths[column] - entry.len() + 3));
            }
        }
        text.push('\n');
    }
    text
}

//! `system check`: what the daemon keeps, examined.

use std::fmt::Write as _;

use gantry_api::system::{CheckReport, Examined};
use gantry_types::Severity;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::exit;
use crate::format::{size, table};
use crate::output;
use crate::session::Session;

/// Examine images, layers and containers on the daemon's disk
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Read every blob and compare it with its digest
    #[arg(long)]
    deep: bool,
    /// Format output: 'json' prints the whole report
    #[arg(long, default_value = "", hide_default_value = true, value_parser = ["", "json"])]
    format: String,
}

impl Verb for Check {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let report = session.connect().await?.check(self.deep).await?;
        if self.format == "json" {
            output::line(&serde_json::to_string(&report).unwrap_or_default())?;
        } else {
            output::print(&text(&report))?;
        }
        Ok(if report.faults.is_empty() { 0 } else { exit::FAILURE })
    }
}

fn text(report: &CheckReport) -> String {
    let row = |one: &Examined| {
        let bytes = one.bytes.map(|bytes| size::decimal(i64::try_from(bytes).unwrap_or(i64::MAX)));
        format!("{}\t{}\t{}", one.what, one.count, bytes.unwrap_or_default())
    };
    let lines: Vec<String> = std::iter::once("EXAMINED\tCOUNT\tSIZE".to_owned())
        .chain(report.examined.iter().map(row))
        .collect();
    let mut text = table::layout(&lines);
    text.push('\n');
    for fault in &report.faults {
        let word = match fault.severity {
            Severity::Damage => "damaged",
            Severity::Waste => "left over",
        };
        // Writing into a string cannot fail.
        writeln!(text, "{word}: {}: {}; {}", fault.object, fault.problem, fault.remedy)
            .unwrap_or(());
    }
    let end = match (report.faults.len(), report.deep) {
        (0, true) => "No faults; every blob has its digest.\n".to_owned(),
        (0, false) => "No faults. Blobs were not read: --deep does that.\n".to_owned(),
        (1, _) => "1 fault.\n".to_owned(),
        (count, _) => format!("{count} faults.\n"),
    };
    text + &end
}

#[cfg(test)]
mod tests {
    use gantry_types::Fault;

    use super::*;

    #[test]
    fn a_fault_is_one_line_with_its_remedy() {
        let examined = vec![
            Examined { what: "images".into(), count: 2, bytes: None },
            Examined { what: "blobs".into(), count: 12, bytes: Some(1_200_000) },
        ];
        let mut report = CheckReport { examined, ..CheckReport::default() };
        let table =
            "EXAMINED   COUNT     SIZE\nimages     2         \nblobs      12        1.2MB\n\n";
        assert_eq!(
            text(&report),
            format!("{table}No faults. Blobs were not read: --deep does that.\n")
        );
        report.deep = true;
        report.faults.push(Fault::waste("blob x", "no image has it", "restart"));
        assert_eq!(
            text(&report),
            format!("{table}left over: blob x: no image has it; restart\n1 fault.\n")
        );
    }
}

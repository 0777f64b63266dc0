//! `builds inspect`: a build with its steps, and where its time went.

use std::fmt::Write;

use gantry_api::build::BuildDetails;

use super::list::seconds;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Display details of a build
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Format output: 'json', or nothing for people
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    #[arg(required = true, hide = true)]
    build: String,
}

impl Verb for Inspect {
    const USAGE: &'static str = "[OPTIONS] BUILD | latest";
    const TAKES: Takes = Takes::Exactly(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        if !matches!(self.format.as_str(), "" | "json" | "pretty") {
            return Err(Error::refused("--format of builds inspect takes json or pretty"));
        }
        let details = session.connect().await?.build_history_inspect(&self.build).await?;
        if self.format == "json" {
            output::line(&serde_json::to_string_pretty(&details)?)?;
        } else {
            output::print(&shown(&details))?;
        }
        Ok(0)
    }
}

fn shown(details: &BuildDetails) -> String {
    let build = &details.summary;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            writeln!(text, "{:<12}{value}", format!("{name}:")).unwrap_or(());
        }
    };
    line("ID", &build.id);
    line("Name", &build.name);
    line("Tags", &build.tags.join(", "));
    line("Dockerfile", &build.dockerfile);
    line("Target", &build.target);
    line("Platform", &build.platform);
    line("Status", &build.status);
    line("Error", &build.error);
    line("Created", &build.created_at);
    line("Duration", &seconds(build.duration));
    line("Image", &build.image_id);
    text += "\nSteps:\n";
    for step in &details.steps {
        let mark = match step {
            _ if step.cached => "CACHED",
            _ if !step.error.is_empty() => "ERROR",
            _ if step.completed_at.is_empty() => "...",
            _ => "",
        };
        let took = seconds(step.duration);
        writeln!(text, "{:>4}  {took:>9}  {mark:<6}  {}", step.number, step.name).unwrap_or(());
        if step.log_bytes_left_out > 0 {
            let left_out = step.log_bytes_left_out;
            writeln!(text, "      {left_out} bytes of its output were not kept").unwrap_or(());
        }
    }
    text
}

//! `version`: ours and the daemon's.

use std::fmt::Write as _;

use gantry_api::system::Version as ServerVersion;
use gantry_client::{ApiVersion, Client};
use serde_json::{Value, json};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::template::Template;
use crate::output;
use crate::session::Session;

/// The program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, where the build says so.
const BUILD: &str = match option_env!("GANTRY_BUILD") {
    Some(build) => build,
    None => "unknown",
};

/// Show the Gantry version information
#[derive(Debug, clap::Args)]
pub(crate) struct Version {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
}

/// What `--version` prints.
pub(crate) fn one_line() -> String {
    format!("Gantry version {VERSION}, build {BUILD}")
}

impl Verb for Version {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let template = match self.format.as_str() {
            "" | "json" => None,
            text => Some(Template::parse(text)?),
        };
        // Our own version is worth showing even where there is no daemon.
        let server = async {
            let client = session.connect().await?;
            let server = client.version_info().await?;
            Ok::<_, Error>((client, server))
        };
        let (server, failure) = match server.await {
            Ok(server) => (Some(server), None),
            Err(error) => (None, Some(error)),
        };
        let server = server.as_ref().map(|(client, server)| (client, server));
        match (template, self.format.as_str()) {
            (Some(template), _) => output::line(&template.render(&document(server))?)?,
            (None, "json") => output::line(&document(server).to_string())?,
            (None, _) => output::print(&text(server))?,
        }
        failure.map_or(Ok(0), Err)
    }
}

fn document(server: Option<(&Client, &ServerVersion)>) -> Value {
    json!({
        "Client": {
            "Version": VERSION,
            "ApiVersion": server.map_or(ApiVersion::NEWEST, |(client, _)| client.version()).to_string(),
            "DefaultAPIVersion": ApiVersion::NEWEST.to_string(),
            "GitCommit": BUILD,
            "Os": "linux",
            "Arch": architecture(),
            "Context": "default",
        },
        "Server": server.map(|(_, server)| server),
    })
}

fn text(server: Option<(&Client, &ServerVersion)>) -> String {
    let agreed = server.map_or(ApiVersion::NEWEST, |(client, _)| client.version());
    let mut text = String::from("Client: Gantry\n");
    let mut add = |name: &str, value: &str| {
        // Writing into a string cannot fail.
        writeln!(text, " {:<18}{value}", format!("{name}:")).unwrap_or(());
    };
    add("Version", VERSION);
    add("API version", &agreed.to_string());
    add("Git commit", BUILD);
    add("OS/Arch", &format!("linux/{}", architecture()));
    add("Context", "default");
    let Some((_, server)) = server else { return text };
    text.push_str("\nServer: ");
    text.push_str(if server.platform.name.is_empty() { "Gantry" } else { &server.platform.name });
    text.push_str("\n Engine:\n");
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            writeln!(text, "  {:<17}{value}", format!("{name}:")).unwrap_or(());
        }
    };
    add("Version", &server.version);
    let versions = format!("{} (minimum version {})", server.api_version, server.min_api_version);
    add("API version", &versions);
    add("Git commit", &server.git_commit);
    add("Built", &server.build_time);
    add("OS/Arch", &format!("{}/{}", server.os, server.arch));
    add("Kernel", &server.kernel_version);
    for component in server.components.iter().filter(|component| component.name != "Engine") {
        writeln!(text, " {}:\n  {:<17}{}", component.name, "Version:", component.version)
            .unwrap_or(());
    }
    text
}

/// The processor in Go's words, which images use too.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_both_sides() {
        let client = Client::new("unix:///x".parse().unwrap());
        let server = ServerVersion {
            version: "0.1.0".into(),
            api_version: "1.50".into(),
            min_api_version: "1.40".into(),
            os: "linux".into(),
            arch: "amd64".into(),
            ..ServerVersion::default()
        };
        let both = text(Some((&client, &server)));
        assert!(both.contains("  API version:     1.50 (minimum version 1.40)\n"), "{both}");
        let alone = text(None);
        assert!(
            alone.contains(" Version:          0.1.0\n") && !alone.contains("Server"),
            "{alone}"
        );
        assert_eq!(document(None)["Server"], Value::Null);
        assert_eq!(document(Some((&client, &server)))["Server"]["Version"], "0.1.0");
        assert!(one_line().starts_with("Gantry version 0.1.0, build "));
    }
}

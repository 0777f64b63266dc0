//! `info`: what the daemon tells of itself and its host.

use std::fmt::Write as _;

use gantry_api::system::Info as ServerInfo;
use serde_json::{Value, json};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::size;
use crate::format::template::Template;
use crate::output;
use crate::session::Session;

/// Display system-wide information
#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Format output: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
}

impl Verb for Info {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let template = match self.format.as_str() {
            "" | "json" => None,
            text => Some(Template::parse(text)?),
        };
        let info = session.connect().await?.info().await?;
        match (template, self.format.as_str()) {
            (Some(template), _) => output::line(&template.render(&document(&info)?)?)?,
            (None, "json") => output::line(&document(&info)?.to_string())?,
            (None, _) => {
                output::print(&text(&info))?;
                for warning in &info.warnings {
                    output::remark(warning);
                }
            }
        }
        Ok(0)
    }
}

/// The daemon's fields at the top, as in Docker, and ours below `ClientInfo`.
fn document(info: &ServerInfo) -> Result<Value, Error> {
    let mut document = serde_json::to_value(info)?;
    document["ClientInfo"] = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Context": "default",
        "Debug": false,
        "Plugins": [],
        "Warnings": null,
    });
    Ok(document)
}

fn text(info: &ServerInfo) -> String {
    let mut text = String::new();
    let mut add = |indent: usize, name: &str, value: &str| {
        // Writing into a string cannot fail.
        writeln!(text, "{:indent$}{name}: {value}", "").unwrap_or(());
    };
    add(0, "Client", "Gantry");
    add(1, "Version", env!("CARGO_PKG_VERSION"));
    add(1, "Context", "default");
    add(0, "\nServer", "");
    add(1, "Containers", &info.containers.to_string());
    add(2, "Running", &info.containers_running.to_string());
    add(2, "Paused", &info.containers_paused.to_string());
    add(2, "Stopped", &info.containers_stopped.to_string());
    add(1, "Images", &info.images.to_string());
    add(1, "Server Version", &info.server_version);
    add(1, "Storage Driver", &info.driver);
    for (name, value) in &info.driver_status {
        add(2, name, value);
    }
    add(1, "Logging Driver", &info.logging_driver);
    add(1, "Cgroup Driver", &info.cgroup_driver);
    add(1, "Cgroup Version", &info.cgroup_version);
    add(1, "Plugins", "");
    add(2, "Volume", &info.plugins.volume.join(" "));
    add(2, "Network", &info.plugins.network.join(" "));
    add(2, "Log", &info.plugins.log.join(" "));
    add(1, "Swarm", &info.swarm.local_node_state);
    let runtimes: Vec<_> = info.runtimes.keys().map(String::as_str).collect();
    add(1, "Runtimes", &runtimes.join(" "));
    add(1, "Default Runtime", &info.default_runtime);
    add(1, "Init Binary", &info.init_binary);
    add(1, "Security Options", "");
    for option in &info.security_options {
        add(2, "Option", option);
    }
    add(1, "Kernel Version", &info.kernel_version);
    add(1, "Operating System", &info.operating_system);
    add(1, "OSType", &info.os_type);
    add(1, "Architecture", &info.architecture);
    add(1, "CPUs", &info.ncpu.to_string());
    add(1, "Total Memory", &size::binary(info.mem_total));
    add(1, "Name", &info.name);
    add(1, "ID", &info.id);
    add(1, "Root Dir", &info.docker_root_dir);
    add(1, "Debug Mode", &info.debug.to_string());
    add(1, "Experimental", &info.experimental_build.to_string());
    add(1, "Live Restore Enabled", &info.live_restore_enabled.to_string());
    if let Some(firewall) = &info.firewall_backend {
        add(1, "Firewall Backend", &firewall.driver);
    }
    text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use gantry_api::system::FirewallBackend;

    use super::*;

    #[test]
    fn shows_the_daemon() {
        let info = ServerInfo {
            containers: 3,
            driver: "overlay2".into(),
            mem_total: 1 << 30,
            firewall_backend: Some(FirewallBackend { driver: "nftables".into() }),
            ..ServerInfo::default()
        };
        let text = text(&info);
        for line in [
            "Client: Gantry",
            "Server:",
            " Containers: 3",
            " Storage Driver: overlay2",
            " Total Memory: 1GiB",
            " Firewall Backend: nftables",
        ] {
            assert!(text.lines().any(|known| known == line), "{line:?} is not in\n{text}");
        }
        let document = document(&info).unwrap();
        assert_eq!(
            (&document["Containers"], &document["ClientInfo"]["Context"]),
            (&json!(3), &json!("default"))
        );
    }
}

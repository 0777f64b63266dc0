//! `ps`: the containers, one a line.

use gantry_api::container::ContainerSummary;
use gantry_api::network::Port;
use gantry_client::ListQuery;
use gantry_types::Filters;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row, with_labels};
use crate::format::{ellipsis, quoted, short_id, size, time};
use crate::output;
use crate::session::Session;

/// The name part of `sha256:…`: an image that has lost its name is shown by its id.
const DIGEST_PREFIX: &str = "sha256:";

/// List containers
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the command has as many switches")]
pub(crate) struct List {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, default_value = "-1")]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

impl Verb for List {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let mut filters = Filters::default();
        for (key, value) in &self.filter {
            filters.insert(key, value);
        }
        let limit = if self.latest { 1 } else { self.last };
        let query = ListQuery {
            all: self.all,
            limit: u32::try_from(limit).ok().filter(|limit| *limit > 0),
            size: self.size || self.format.contains(".Size"),
            filters,
        };
        let containers = client.container_list(&query).await?;
        output::print(&self.render(&containers)?)?;
        Ok(0)
    }
}

impl List {
    fn render(&self, containers: &[ContainerSummary]) -> Result<String, Error> {
        let rows: Vec<_> =
            containers.iter().map(|container| row_of(container, self.no_trunc)).collect();
        if self.quiet && self.format.is_empty() {
            return Ok(column(&rows, "ID"));
        }
        let columns: &'static [&'static str] = if self.size {
            &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names", "Size"]
        } else {
            &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"]
        };
        Listing { columns, headings: HEADINGS, rows }.render(&self.format)
    }
}

/// What the columns are called.
pub(crate) const HEADINGS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];

/// The fields of a container.
pub(crate) fn row_of(container: &ContainerSummary, no_trunc: bool) -> Map<String, Value> {
    let command =
        if no_trunc { container.command.clone() } else { ellipsis(&container.command, 20) };
    let names = container.names.iter().map(|name| name.trim_start_matches('/'));
    // A name with a slash is a link from another container.
    let names: Vec<_> = names.filter(|name| no_trunc || !name.contains('/')).collect();
    let labels = container.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let mounts = container.mounts.iter().map(|mount| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if no_trunc { name.clone() } else { ellipsis(name, 15) }
    });
    let volumes = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    let networks = container.network_settings.networks.keys().cloned();
    let row = row([
        ("ID", if no_trunc { container.id.clone() } else { short_id(&container.id) }),
        ("Image", image_of(container, no_trunc)),
        ("Command", quoted(&command)),
        ("CreatedAt", time::full(container.created)),
        ("RunningFor", time::ago(container.created)),
        ("Ports", container.ports.iter().map(port).collect::<Vec<_>>().join(", ")),
        ("State", container.state.clone()),
        ("Status", container.status.clone()),
        ("Size", sizes(container)),
        ("Names", names.join(",")),
        ("Labels", labels.collect::<Vec<_>>().join(",")),
        ("Mounts", mounts.collect::<Vec<_>>().join(",")),
        ("LocalVolumes", volumes.to_string()),
        ("Networks", networks.collect::<Vec<_>>().join(",")),
    ]);
    with_labels(row, &container.labels)
}

fn image_of(container: &ContainerSummary, no_trunc: bool) -> String {
    match container.image.as_str() {
        "" => "<no image>".to_owned(),
        image if !no_trunc && image.starts_with(DIGEST_PREFIX) => short_id(image),
        image => image.to_owned(),
    }
}

fn sizes(container: &ContainerSummary) -> String {
    let own = size::decimal(container.size_rw);
    if container.size_root_fs > 0 {
        return format!("{own} (virtual {})", size::decimal(container.size_root_fs));
    }
    own
}

fn port(port: &Port) -> String {
    let Port { ip, private_port, public_port, r#type: kind } = port;
    if *public_port == 0 {
        return format!("{private_port}/{kind}");
    }
    let place = super::port::place(ip, &public_port.to_string());
    format!("{place}->{private_port}/{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(format: &str) -> List {
        List {
            all: false,
            filter: Vec::new(),
            format: format.to_owned(),
            last: -1,
            latest: false,
            no_trunc: false,
            quiet: false,
            size: false,
        }
    }

    fn containers() -> Vec<ContainerSummary> {
        let port = |public_port| Port {
            ip: if public_port > 0 { "0.0.0.0".into() } else { String::new() },
            private_port: 80,
            public_port,
            r#type: "tcp".into(),
        };
        vec![ContainerSummary {
            id: "0123456789abcdef".into(),
            names: vec!["/web".into(), "/other/alias".into()],
            image: "busybox".into(),
            command: "sh -c 'while true; do date; done'".into(),
            created: gantry_sys::clock::now().seconds - 7200,
            status: "Up 2 hours".into(),
            ports: vec![port(8080), port(0)],
            size_rw: 12,
            size_root_fs: 4_261_574,
            ..ContainerSummary::default()
        }]
    }

    #[test]
    fn the_table_has_dockers_columns() {
        assert_eq!(
            list("").render(&containers()).unwrap(),
            "CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS       PORTS                          NAMES\n\
             0123456789ab   busybox   \"sh -c 'while true; …\"   2 hours ago   Up 2 hours   0.0.0.0:8080->80/tcp, 80/tcp   web\n"
        );
        assert_eq!(
            list("").render(&[]).unwrap(),
            "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
        );
    }

    #[test]
    fn other_forms() {
        let quiet = List { quiet: true, no_trunc: true, ..list("") };
        assert_eq!(quiet.render(&containers()).unwrap(), "0123456789abcdef\n");
        assert_eq!(
            list("{{.Names}} {{.Size}}").render(&containers()).unwrap(),
            "web 12B (virtual 4.26MB)\n"
        );
        assert!(list("json").render(&containers()).unwrap().starts_with("{\"Command\":"));
    }
}

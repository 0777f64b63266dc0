//! `system df`: what takes how much of the disk.

use gantry_api::container::ContainerSummary;
use gantry_api::system::DiskUsage;
use serde_json::{Map, Value, json};

use crate::cli::{Takes, Verb};
use crate::commands::{container, image};
use crate::error::Error;
use crate::format::listing::{Listing, row};
use crate::format::size;
use crate::format::template::Template;
use crate::output;
use crate::session::Session;

/// Show Gantry disk usage
#[derive(Debug, clap::Args)]
pub(crate) struct Df {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

impl Verb for Df {
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::Nothing;

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let usage = session.connect().await?.df().await?;
        let text = match (self.verbose, self.format.as_str()) {
            (false, _) => summary(&usage).render(&self.format)?,
            (true, "" | "table") => details(&usage)?,
            (true, "json") => format!("{}\n", document(&usage)),
            (true, text) => format!("{}\n", Template::parse(text)?.render(&document(&usage))?),
        };
        output::print(&text)?;
        Ok(0)
    }
}

const IMAGE_COLUMNS: &[&str] =
    &["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"];
const CONTAINER_COLUMNS: &[&str] =
    &["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];

/// One line for each kind of object.
fn summary(usage: &DiskUsage) -> Listing {
    let line = |kind: &str, counts: [usize; 2], bytes: [i64; 2]| {
        let [total, active] = counts.map(|count| count.to_string());
        let [all, reclaimable] = bytes;
        // Of nothing there is no share.
        let share = match i128::from(reclaimable) * 100 {
            share if all > 0 => format!(" ({}%)", share / i128::from(all)),
            _ => String::new(),
        };
        row([
            ("Type", kind.to_owned()),
            ("TotalCount", total),
            ("Active", active),
            ("Size", size::exact(all)),
            ("Reclaimable", size::exact(reclaimable) + &share),
        ])
    };
    let images = usage.images.iter().flatten();
    let used: i64 = images
        .clone()
        .filter(|image| image.containers != 0)
        .map(|image| image.size - image.shared_size)
        .sum();
    let active = images.clone().filter(|image| image.containers > 0).count();
    let containers = usage.containers.iter().flatten();
    let is_active = |state: &str| matches!(state, "running" | "paused" | "restarting");
    let written: i64 = containers.clone().map(|one| one.size_rw).sum();
    let idle: i64 =
        containers.clone().filter(|one| !is_active(&one.state)).map(|one| one.size_rw).sum();
    let running = containers.clone().filter(|one| is_active(&one.state)).count();
    let layers = usage.layers_size;
    Listing {
        columns: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
        headings: &[
            ("Type", "TYPE"),
            ("TotalCount", "TOTAL"),
            ("Active", "ACTIVE"),
            ("Size", "SIZE"),
            ("Reclaimable", "RECLAIMABLE"),
        ],
        rows: vec![
            line("Images", [images.count(), active], [layers, layers - used]),
            line("Containers", [containers.count(), running], [written, idle]),
            line("Local Volumes", [0, 0], [0, 0]),
            line("Build Cache", [0, 0], [0, 0]),
        ],
    }
}

/// The first name of each image, and each container.
fn rows(usage: &DiskUsage) -> [Vec<Map<String, Value>>; 2] {
    let images = usage.images.iter().flatten();
    let images = images.filter_map(|one| image::list::rows(one, false).into_iter().next());
    let containers = usage.containers.iter().flatten().map(|one| {
        // What it shares with its image is not its own.
        let own = ContainerSummary { size_root_fs: 0, ..one.clone() };
        container::list::row_of(&own, false)
    });
    [images.collect(), containers.collect()]
}

fn details(usage: &DiskUsage) -> Result<String, Error> {
    let [images, containers] = rows(usage);
    let images = Listing { columns: IMAGE_COLUMNS, headings: image::list::HEADINGS, rows: images };
    let containers = Listing {
        columns: CONTAINER_COLUMNS,
        headings: container::list::HEADINGS,
        rows: containers,
    };
    let empty = |columns, headings| Listing { columns, headings, rows: Vec::new() }.render("");
    let volumes = empty(
        &["Name", "Links", "Size"],
        &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")],
    )?;
    let cache = empty(
        &["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"],
        &[
            ("ID", "CACHE ID"),
            ("CacheType", "CACHE TYPE"),
            ("Size", "SIZE"),
            ("CreatedSince", "CREATED"),
            ("LastUsedSince", "LAST USED"),
            ("UsageCount", "USAGE"),
            ("Shared", "SHARED"),
        ],
    )?;
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{volumes}\n\
         Build cache usage: 0B\n\n{cache}",
        images.render("")?,
        containers.render("")?,
    ))
}

fn document(usage: &DiskUsage) -> Value {
    let [images, containers] = rows(usage);
    json!({"Images": images, "Containers": containers, "Volumes": [], "BuildCache": []})
}

#[cfg(test)]
mod tests {
    use gantry_api::image::ImageSummary;

    use super::*;

    fn usage() -> DiskUsage {
        let image = |size, shared_size, containers| ImageSummary {
            id: "sha256:0123456789abcdef".into(),
            size,
            shared_size,
            containers,
            ..ImageSummary::default()
        };
        let container = |state: &str, size_rw| ContainerSummary {
            state: state.to_owned(),
            size_rw,
            ..ContainerSummary::default()
        };
        DiskUsage {
            layers_size: 5_000_000,
            images: Some(vec![image(3_000_000, 1_000_000, 2), image(3_000_000, 1_000_000, 0)]),
            containers: Some(vec![container("running", 750), container("exited", 250)]),
            ..DiskUsage::default()
        }
    }

    #[test]
    fn shares_are_of_what_is_there() {
        assert_eq!(
            summary(&usage()).render("").unwrap(),
            "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n\
             Images          2         1         5MB       3MB (60%)\n\
             Containers      2         1         1kB       250B (25%)\n\
             Local Volumes   0         0         0B        0B\n\
             Build Cache     0         0         0B        0B\n"
        );
    }

    #[test]
    fn details_have_a_table_for_each_kind() {
        let text = details(&usage()).unwrap();
        for part in [
            "Images space usage:\n\nREPOSITORY   TAG       IMAGE ID       CREATED",
            "SHARED SIZE   UNIQUE SIZE   CONTAINERS\n<none>",
            "\n\nContainers space usage:\n\nCONTAINER ID   IMAGE",
            "\n\nBuild cache usage: 0B\n\nCACHE ID   CACHE TYPE   SIZE",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_eq!(document(&usage())["Images"].as_array().map(Vec::len), Some(2));
    }
}

//! `system df`: what takes how much of the disk.

use gantry_api::container::ContainerSummary;
use gantry_api::system::{BuildCacheRecord, DiskUsage, Usage};
use gantry_types::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::{Takes, Verb};
use crate::commands::{container, image};
use crate::error::Error;
use crate::format::listing::{Listing, row};
use crate::format::template::Template;
use crate::format::{short_id, size, time};
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
    fn line<T>(kind: &str, usage: Option<&Usage<T>>) -> Map<String, Value> {
        let [total, active] =
            [usage.map_or(0, |it| it.total_count), usage.map_or(0, |it| it.active_count)];
        let [all, reclaimable] =
            [usage.map_or(0, |it| it.total_size), usage.map_or(0, |it| it.reclaimable)];
        // Of nothing there is no share.
        let share = match i128::from(reclaimable) * 100 {
            share if all > 0 => format!(" ({}%)", share / i128::from(all)),
            _ => String::new(),
        };
        row([
            ("Type", kind.to_owned()),
            ("TotalCount", total.to_string()),
            ("Active", active.to_string()),
            ("Size", size::exact(all)),
            ("Reclaimable", size::exact(reclaimable) + &share),
        ])
    }
    let mut cache = line("Build Cache", usage.build_cache_usage.as_ref());
    // Without a share, as Docker has it.
    let reclaimable = usage.build_cache_usage.as_ref().map_or(0, |it| it.reclaimable);
    cache.insert("Reclaimable".to_owned(), size::exact(reclaimable).into());
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
            line("Images", usage.image_usage.as_ref()),
            line("Containers", usage.container_usage.as_ref()),
            line("Local Volumes", usage.volume_usage.as_ref()),
            cache,
        ],
    }
}

/// The first name of each image, each container and each volume, and each step that builds remember.
fn rows(usage: &DiskUsage) -> [Vec<Map<String, Value>>; 4] {
    let images = usage.image_usage.iter().flat_map(|usage| &usage.items);
    let images = images.filter_map(|one| image::list::rows(one, false).into_iter().next());
    let containers = usage.container_usage.iter().flat_map(|usage| &usage.items).map(|one| {
        // What it shares with its image is not its own.
        let own = ContainerSummary { size_root_fs: 0, ..one.clone() };
        container::list::row_of(&own, false)
    });
    let volumes = usage.volume_usage.iter().flat_map(|usage| &usage.items).map(|volume| {
        let counted = volume.usage_data.as_ref();
        let bytes = counted.map_or(-1, |usage| usage.size);
        row([
            ("Name", volume.name.clone()),
            ("Driver", volume.driver.clone()),
            ("Links", counted.map_or(0, |usage| usage.ref_count).to_string()),
            ("Size", if bytes < 0 { "N/A".to_owned() } else { size::exact(bytes) }),
        ])
    });
    let cache = usage.build_cache_usage.iter().flat_map(|usage| &usage.items).map(cache_row);
    [images.collect(), containers.collect(), volumes.collect(), cache.collect()]
}

pub(crate) fn cache_row(one: &BuildCacheRecord) -> Map<String, Value> {
    let ago = |time: Option<&str>| {
        let time = time.and_then(|time| time.parse::<Timestamp>().ok());
        time.map(|time| time::ago(time.seconds)).unwrap_or_default()
    };
    row([
        ("ID", short_id(&one.id)),
        ("CacheType", one.r#type.clone()),
        ("Size", size::decimal(one.size)),
        ("CreatedSince", ago(Some(&one.created_at))),
        ("LastUsedSince", ago(one.last_used_at.as_deref())),
        ("UsageCount", one.usage_count.to_string()),
        ("Shared", one.shared.to_string()),
        ("InUse", one.in_use.to_string()),
        ("Description", one.description.clone()),
    ])
}

fn details(usage: &DiskUsage) -> Result<String, Error> {
    let [images, containers, volumes, cache] = rows(usage);
    let images = Listing { columns: IMAGE_COLUMNS, headings: image::list::HEADINGS, rows: images };
    let containers = Listing {
        columns: CONTAINER_COLUMNS,
        headings: container::list::HEADINGS,
        rows: containers,
    };
    let volumes = Listing {
        columns: &["Name", "Links", "Size"],
        headings: &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")],
        rows: volumes,
    };
    let cached = usage.build_cache_usage.as_ref().map_or(0, |usage| usage.total_size);
    let cache = Listing {
        columns: &[
            "ID",
            "CacheType",
            "Size",
            "CreatedSince",
            "LastUsedSince",
            "UsageCount",
            "Shared",
        ],
        headings: &[
            ("ID", "CACHE ID"),
            ("CacheType", "CACHE TYPE"),
            ("Size", "SIZE"),
            ("CreatedSince", "CREATED"),
            ("LastUsedSince", "LAST USED"),
            ("UsageCount", "USAGE"),
            ("Shared", "SHARED"),
        ],
        rows: cache,
    };
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\n\
         Build cache usage: {}\n\n{}",
        images.render("")?,
        containers.render("")?,
        volumes.render("")?,
        size::exact(cached),
        cache.render("")?,
    ))
}

fn document(usage: &DiskUsage) -> Value {
    let [images, containers, volumes, cache] = rows(usage);
    json!({"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": cache})
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
            image_usage: Some(Usage::of_images(
                vec![image(3_000_000, 1_000_000, 2), image(3_000_000, 1_000_000, 0)],
                5_000_000,
            )),
            container_usage: Some(Usage::of_containers(vec![
                container("running", 750),
                container("exited", 250),
            ])),
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

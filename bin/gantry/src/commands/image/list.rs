//! `images`: the images, one name a line.

mod tree;

use gantry_api::image::ImageSummary;
use gantry_client::ImageListQuery;
use gantry_types::Filters;
use serde_json::{Map, Value};

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::format::listing::{Listing, column, row, with_labels};
use crate::format::{short_id, size, time};
use crate::output;
use crate::session::Session;

/// What stands for a name that is not there.
const NONE: &str = "<none>";

/// List images
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the command has as many switches")]
pub(crate) struct List {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::commands::filter)]
    filter: Vec<(String, String)>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// List what is here for which platform as a tree, with the containers that use it
    #[arg(long, conflicts_with_all = ["digests", "format", "no_trunc", "quiet"])]
    tree: bool,
    #[arg(hide = true)]
    repository: Option<String>,
}

impl Verb for List {
    const USAGE: &'static str = "[OPTIONS] [REPOSITORY[:TAG]]";
    const TAKES: Takes = Takes::AtMost(1);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let client = session.connect().await?;
        let mut filters = Filters::default();
        for (key, value) in &self.filter {
            filters.insert(key, value);
        }
        if let Some(name) = &self.repository {
            filters.insert("reference", name);
        }
        let query =
            ImageListQuery { all: self.all, digests: self.digests, manifests: self.tree, filters };
        let images = client.image_list(&query).await?;
        output::print(&if self.tree { tree::render(&images)? } else { self.render(&images)? })?;
        Ok(0)
    }
}

impl List {
    fn render(&self, images: &[ImageSummary]) -> Result<String, Error> {
        let rows: Vec<_> = images.iter().flat_map(|image| rows(image, self.no_trunc)).collect();
        if self.quiet && self.format.is_empty() {
            return Ok(column(&rows, "ID"));
        }
        let columns: &'static [&'static str] = if self.digests {
            &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"]
        } else {
            &["Repository", "Tag", "ID", "CreatedSince", "Size"]
        };
        Listing { columns, headings: HEADINGS, rows }.render(&self.format)
    }
}

/// What the columns are called.
pub(crate) const HEADINGS: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
];

/// One row for each name; an image without one has a row too.
pub(crate) fn rows(image: &ImageSummary, no_trunc: bool) -> Vec<Map<String, Value>> {
    let row = |repository: &str, tag: &str, digest: &str| {
        row_of(image, [repository, tag, digest], no_trunc)
    };
    let mut rows = Vec::new();
    for name in &image.repo_tags {
        // The last colon parts the tag; one before a slash belongs to a port.
        let (repository, tag) =
            name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((name, NONE));
        let digests = image.repo_digests.iter().filter_map(|name| name.split_once('@'));
        let digest =
            digests.filter(|(known, _)| *known == repository).map(|(_, digest)| digest).next();
        rows.push(row(repository, tag, digest.unwrap_or(NONE)));
    }
    if rows.is_empty() {
        let named = image.repo_digests.iter().find_map(|name| name.split_once('@'));
        let (repository, digest) = named.unwrap_or((NONE, NONE));
        rows.push(row(repository, NONE, digest));
    }
    rows
}

fn row_of(image: &ImageSummary, name: [&str; 3], no_trunc: bool) -> Map<String, Value> {
    let [repository, tag, digest] = name.map(str::to_owned);
    let counted = |count: i64, text: String| if count < 0 { "N/A".to_owned() } else { text };
    let own = image.size - image.shared_size;
    let row = row([
        ("Repository", repository),
        ("Tag", tag),
        ("Digest", digest),
        ("ID", if no_trunc { image.id.clone() } else { short_id(&image.id) }),
        ("CreatedSince", time::ago(image.created)),
        ("CreatedAt", time::full(image.created)),
        ("Size", size::decimal(image.size)),
        ("Containers", counted(image.containers, image.containers.to_string())),
        ("SharedSize", counted(image.shared_size, size::exact(image.shared_size))),
        ("UniqueSize", counted(image.shared_size, size::exact(own))),
        ("VirtualSize", size::exact(image.size)),
    ]);
    with_labels(row, &image.labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> List {
        List {
            all: false,
            digests: false,
            filter: Vec::new(),
            format: String::new(),
            no_trunc: false,
            quiet: false,
            tree: false,
            repository: None,
        }
    }

    fn image(tags: &[&str], digests: &[&str]) -> ImageSummary {
        ImageSummary {
            id: "sha256:0123456789abcdef".into(),
            created: gantry_sys::clock::now().seconds - 7200,
            repo_tags: tags.iter().map(ToString::to_string).collect(),
            repo_digests: digests.iter().map(ToString::to_string).collect(),
            size: 4_261_574,
            shared_size: -1,
            ..ImageSummary::default()
        }
    }

    #[test]
    fn each_name_has_its_row() {
        let images =
            [image(&["busybox:latest", "reg:5000/b:1"], &["busybox@sha256:d"]), image(&[], &[])];
        assert_eq!(
            list().render(&images).unwrap(),
            "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE\n\
             busybox      latest    0123456789ab   2 hours ago   4.26MB\n\
             reg:5000/b   1         0123456789ab   2 hours ago   4.26MB\n\
             <none>       <none>    0123456789ab   2 hours ago   4.26MB\n"
        );
        let digests = List { digests: true, ..list() };
        let text = digests.render(&images).unwrap();
        assert!(text.contains("latest    sha256:d") && text.contains("1         <none>"), "{text}");
        let quiet = List { quiet: true, no_trunc: true, ..list() };
        let id = "sha256:0123456789abcdef\n";
        assert_eq!(quiet.render(&images[..1]).unwrap(), id.repeat(2), "one for each name");
        let json = List { format: "{{.SharedSize}} {{.Size}}".into(), ..list() };
        assert_eq!(json.render(&images[1..]).unwrap(), "N/A 4.26MB\n");
    }
}

//! `images --tree`: below the names of each image what of it is here, for which platform, how large it is, and which
//! containers have it.

use gantry_api::image::{ImageSummary, ManifestSummary};

use crate::error::Error;
use crate::format::listing::{Listing, row};
use crate::format::{short_id, size};

/// Containers of one image that are named; the others are counted.
const MAX_NAMED: usize = 3;

/// The tree of all images.
pub(super) fn render(images: &[ImageSummary]) -> Result<String, Error> {
    let mut rows = Vec::new();
    for image in images {
        let sizes = image.manifests.iter().fold((0, 0), |(total, content), manifest| {
            (total + manifest.size.total, content + manifest.size.content)
        });
        let names = match image.repo_tags.as_slice() {
            [] => vec!["<untagged>".to_owned()],
            names => names.to_vec(),
        };
        for (number, name) in names.into_iter().enumerate() {
            // The image is one, whatever its names.
            let (id, sizes, used) = match number {
                0 => (short_id(&image.id), sizes, image.containers.max(0).to_string()),
                _ => (short_id(&image.id), (-1, -1), String::new()),
            };
            rows.push(line(name, id, sizes, used));
        }
        // What is said of images is none.
        let shown: Vec<_> =
            image.manifests.iter().filter(|one| one.kind != "attestation").collect();
        for (number, manifest) in shown.iter().enumerate() {
            let is_last = number + 1 == shown.len();
            rows.push(branch(manifest, if is_last { "└─ " } else { "├─ " }));
        }
    }
    let listing = Listing {
        columns: &["Image", "ID", "DiskUsage", "ContentSize", "Containers"],
        headings: &[
            ("Image", "IMAGE"),
            ("ID", "ID"),
            ("DiskUsage", "DISK USAGE"),
            ("ContentSize", "CONTENT SIZE"),
            ("Containers", "CONTAINERS"),
        ],
        rows,
    };
    listing.render("")
}

fn branch(manifest: &ManifestSummary, sign: &str) -> serde_json::Map<String, serde_json::Value> {
    let (mut platform, mut used) = (manifest.kind.clone(), String::new());
    if let Some(image) = &manifest.image_data {
        let parts = [&image.platform.os, &image.platform.architecture, &image.platform.variant];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        platform = parts.join("/");
        let named: Vec<String> =
            image.containers.iter().take(MAX_NAMED).map(|id| short_id(id)).collect();
        used = named.join(", ");
        if image.containers.len() > MAX_NAMED {
            used = format!("{used} and {} more", image.containers.len() - MAX_NAMED);
        }
    }
    if !manifest.available {
        platform.push_str(" (not here)");
    }
    let sizes = (manifest.size.total, manifest.size.content);
    line(format!("{sign}{platform}"), short_id(&manifest.id), sizes, used)
}

fn line(
    image: String,
    id: String,
    (total, content): (i64, i64),
    containers: String,
) -> serde_json::Map<String, serde_json::Value> {
    let bytes = |bytes: i64| if bytes < 0 { String::new() } else { size::decimal(bytes) };
    row([
        ("Image", image),
        ("ID", id),
        ("DiskUsage", bytes(total)),
        ("ContentSize", bytes(content)),
        ("Containers", containers),
    ])
}

#[cfg(test)]
mod tests {
    use gantry_api::image::{ManifestImage, ManifestPlatform, ManifestSize};

    use super::*;

    #[test]
    fn platforms_stand_below_their_image() {
        let manifest = ManifestSummary {
            id: "sha256:fedcba9876543210".into(),
            available: true,
            kind: "image".into(),
            size: ManifestSize { content: 2_000_000, total: 6_000_000 },
            image_data: Some(ManifestImage {
                platform: ManifestPlatform {
                    architecture: "arm64".into(),
                    os: "linux".into(),
                    variant: "v8".into(),
                },
                containers: (0..5).map(|number| format!("{number:012}")).collect(),
                ..ManifestImage::default()
            }),
            ..ManifestSummary::default()
        };
        let image = ImageSummary {
            id: "sha256:0123456789abcdef".into(),
            repo_tags: vec!["busybox:1".into(), "busybox:latest".into()],
            containers: 5,
            manifests: vec![manifest],
            ..ImageSummary::default()
        };
        let bare = ImageSummary { id: "sha256:abcdefabcdef0".into(), ..ImageSummary::default() };
        assert_eq!(
            render(&[image, bare]).unwrap(),
            "IMAGE               ID             DISK USAGE   CONTENT SIZE   CONTAINERS\n\
             busybox:1           0123456789ab   6MB          2MB            5\n\
             busybox:latest      0123456789ab                               \n\
             └─ linux/arm64/v8   fedcba987654   6MB          2MB            000000000000, 000000000001, 000000000002 and 2 more\n\
             <untagged>          abcdefabcdef   0B           0B             0\n"
        );
    }
}

//! Whole documents as the clients of three versions see them: an old one, the one before the last great change, and the
//! newest. The files are in `testdata`; what is in them is contract.

use std::fs;
use std::path::Path;

use gantry_api::container::{ContainerInspect, ContainerSummary, SummaryHealth};
use gantry_api::image::{
    ImageConfig, ImageIdentity, ImageInspect, ImageSummary, ManifestSummary, PullIdentity,
};
use gantry_api::network::EndpointSettings;
use gantry_api::system::{Commit, FirewallBackend, Info, Usage};

use super::*;

#[track_caller]
fn check<T: Serialize>(name: &str, steps: Steps, document: &T) {
    for minor in [43, 50, 55] {
        let mut value = serde_json::to_value(document).unwrap();
        downgrade(ApiVersion::one(minor), steps, &mut value);
        let file = format!("testdata/{name}-1.{minor}.json");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file));
        let expected: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
        let shown = serde_json::to_string_pretty(&value).unwrap();
        assert!(value == expected, "{file} says something else than\n{shown}");
    }
}

fn container() -> ContainerInspect {
    let mut container = ContainerInspect {
        id: "a1".repeat(32),
        name: "/web".into(),
        image: format!("sha256:{}", "b2".repeat(32)),
        ..ContainerInspect::default()
    };
    container.config.hostname = "web".into();
    container.config.image = "busybox".into();
    let endpoint = EndpointSettings {
        ip_address: "172.17.0.2".into(),
        ip_prefix_len: 16,
        gateway: "172.17.0.1".into(),
        mac_address: "02:42:ac:11:00:02".into(),
        endpoint_id: "c3".repeat(32),
        network_id: "d4".repeat(32),
        ..EndpointSettings::default()
    };
    container.network_settings.networks.insert("bridge".into(), endpoint.clone());
    let mine = EndpointSettings { ip_address: "172.18.0.2".into(), ..endpoint };
    container.network_settings.networks.insert("mine".into(), mine);
    container
}

fn image() -> ImageInspect {
    ImageInspect {
        id: format!("sha256:{}", "b2".repeat(32)),
        repo_tags: vec!["busybox:latest".into()],
        architecture: "amd64".into(),
        os: "linux".into(),
        size: 4_261_574,
        config: ImageConfig { cmd: Some(vec!["sh".into()]), ..ImageConfig::default() },
        identity: Some(ImageIdentity {
            pull: vec![PullIdentity { repository: "docker.io/library/busybox".into() }],
        }),
        ..ImageInspect::default()
    }
}

fn row() -> ImageSummary {
    ImageSummary {
        id: format!("sha256:{}", "b2".repeat(32)),
        size: 4_261_574,
        manifests: vec![ManifestSummary::default()],
        ..ImageSummary::default()
    }
}

#[test]
fn containers() {
    check("container-inspect", CONTAINER_INSPECT, &container());
}

#[test]
fn images() {
    check("image-inspect", IMAGE_INSPECT, &image());
    check("image-list", IMAGE_LIST, &[row()]);
}

#[test]
fn disk_usage_and_info() {
    let mut container = ContainerSummary {
        health: Some(SummaryHealth { status: "healthy".into(), failing_streak: 0 }),
        ..ContainerSummary::default()
    };
    container.host_config.annotations.insert("a".into(), "b".into());
    let usage = DiskUsage {
        image_usage: Some(Usage::of_images(vec![row()], 4_261_574)),
        container_usage: Some(Usage::of_containers(vec![container])),
        volume_usage: Some(Usage::default()),
        build_cache_usage: Some(Usage::default()),
    };
    check("disk-usage", DISK_USAGE, &usage);
    let info = Info {
        runc_commit: Commit { id: "abc".into() },
        firewall_backend: Some(FirewallBackend { driver: "nftables".into() }),
        ..Info::default()
    };
    check("info", INFO, &info);
}

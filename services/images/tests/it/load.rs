//! Honest archives of every shape become images.

use std::io::Read;

use gantry_archive::{Header, Writer};
use gantry_images::{LoadEvent, Loaded, RemoveOptions};
use gantry_oci::image::{Index, Manifest, Platform, annotation, media_type};
use gantry_types::ImageReference;
use serde_json::json;

use crate::fixture::{
    LayoutFiles, Parts, docker_archive, docker_files, for_platform, gzip, host, named,
    other_platform, path_of, sha256, sha512, tar, zstd,
};
use crate::rig::Rig;

/// How a layer is compressed.
type Pack = fn(&[u8]) -> Vec<u8>;

/// What is loaded is what went in.
fn check(loaded: &Loaded, parts: &Parts, names: &[&str]) {
    assert_eq!(loaded.id.as_str(), parts.id());
    let references: Vec<String> = loaded.references.iter().map(ImageReference::familiar).collect();
    assert_eq!(references, names);
    assert_eq!(loaded.layers.len(), parts.layers.len());
    for (blob, layer) in loaded.layers.iter().zip(&parts.layers) {
        assert_eq!(blob.diff_id, sha256(layer));
        let mut bytes = Vec::new();
        let limits = gantry_archive::Limits::default();
        let file = blob.open().unwrap();
        gantry_archive::decompress(file, &limits).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, *layer);
    }
}

#[test]
fn a_docker_archive_is_loaded() {
    let rig = Rig::new();
    let parts = Parts::new("web", 3);
    let loaded = rig.load(&docker_archive(&[(&parts, &["web:1", "reg:5000/web:2"])])).unwrap();
    check(&loaded[0], &parts, &["web:1", "reg:5000/web:2"]);
    // Layers, configuration and the manifest that was made; nothing else stays.
    assert_eq!(rig.files().len(), 3 + 2);
    drop(loaded);
    assert!(rig.files().is_empty(), "what is not recorded goes with its lease");
}

#[test]
fn the_order_of_entries_does_not_matter() {
    let parts = Parts::new("web", 2);
    let mut files = docker_files(&[(&parts, &["web"])]);
    for _ in 0..files.len() {
        files.rotate_left(1);
        let rig = Rig::new();
        check(&rig.load(&tar(&files)).unwrap()[0], &parts, &["web:latest"]);
    }
    files.reverse();
    check(&Rig::new().load(&tar(&files)).unwrap()[0], &parts, &["web:latest"]);
}

#[test]
fn paths_may_start_with_a_dot() {
    let rig = Rig::new();
    let parts = Parts::new("web", 1);
    let files = docker_files(&[(&parts, &["web"])]);
    let files: Vec<_> =
        files.into_iter().map(|(path, bytes)| (format!("./{path}"), bytes)).collect();
    check(&rig.load(&tar(&files)).unwrap()[0], &parts, &["web:latest"]);
}

#[test]
fn compressed_archives_are_loaded() {
    let parts = Parts::new("web", 2);
    let archive = docker_archive(&[(&parts, &["web"])]);
    for packed in [gzip(&archive), zstd(&archive)] {
        check(&Rig::new().load(&packed).unwrap()[0], &parts, &["web:latest"]);
    }
}

#[test]
fn legacy_layers_may_be_links_to_each_other() {
    let parts = Parts::new("web", 1);
    let mut twice = parts.clone();
    twice.layers.push(parts.layers[0].clone());
    let diff_id = sha256(&parts.layers[0]);
    twice.config["rootfs"]["diff_ids"] = json!([diff_id, diff_id]);
    let config = twice.config_bytes();
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["web:1"],
        "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    let mut writer = Writer::new(Vec::new());
    let mut file = |path: &str, bytes: &[u8]| {
        writer.append_bytes(&Header::file(path, 0o644), bytes).unwrap();
    };
    file("config.json", &config);
    file("manifest.json", manifest.to_string().as_bytes());
    file("a/layer.tar", &parts.layers[0]);
    writer.append_header(&Header::symlink("b/layer.tar", "../c/layer.tar")).unwrap();
    writer.append_header(&Header::hard_link("c/layer.tar", "a/layer.tar")).unwrap();
    let rig = Rig::new();
    check(&rig.load(&writer.finish().unwrap()).unwrap()[0], &twice, &["web:1"]);
}

#[test]
fn two_images_share_a_layer_in_one_archive() {
    let rig = Rig::new();
    let (web, mut api) = (Parts::new("web", 2), Parts::new("api", 1));
    api.layers.insert(0, web.layers[0].clone());
    let diff_ids: Vec<_> = api.layers.iter().map(|layer| sha256(layer)).collect();
    api.config["rootfs"]["diff_ids"] = json!(diff_ids);
    let loaded = rig.load(&docker_archive(&[(&web, &["web"]), (&api, &[])])).unwrap();
    check(&loaded[0], &web, &["web:latest"]);
    check(&loaded[1], &api, &[]);
    assert_eq!(rig.files().len(), 3 + 2 * 2);
    for loaded in &loaded {
        rig.images().record(loaded, 1).unwrap();
    }
    drop(loaded);
    let removed = rig.images().remove("web", RemoveOptions::default(), |_| Vec::new()).unwrap();
    assert_eq!(removed.len(), 2);
    assert_eq!(rig.files().len(), 2 + 2, "the shared layer stays with the other image");
}

#[test]
fn an_oci_layout_is_loaded_with_every_compression() {
    let parts = Parts::new("web", 2);
    let packings: [(&str, Pack); 4] = [
        (media_type::OCI_LAYER, <[u8]>::to_vec),
        (media_type::OCI_LAYER_GZIP, gzip),
        (media_type::OCI_LAYER_ZSTD, zstd),
        (media_type::DOCKER_LAYER_GZIP, gzip),
    ];
    for (media_type, pack) in packings {
        let rig = Rig::new();
        let mut layout = LayoutFiles::new();
        let manifest = layout.image(&parts, media_type, pack);
        let digest = manifest.digest.clone();
        let archive = layout.finish(vec![named(manifest, "docker.io/library/web:1")]);
        let loaded = rig.load(&archive).unwrap();
        check(&loaded[0], &parts, &["web:1"]);
        assert_eq!(loaded[0].manifest.digest, digest, "the archive's own manifest is kept");
        assert_eq!(loaded[0].layers[0].media_type, media_type);
    }
}

#[test]
fn names_come_from_annotations() {
    let cases = [
        (Some("docker.io/library/web:1"), Some("1"), &["web:1"][..]),
        (None, Some("reg:5000/web:2"), &["reg:5000/web:2"]),
        (None, Some("latest"), &[]),
        (Some("NOT A NAME"), None, &[]),
        (None, None, &[]),
    ];
    for (full, short, names) in cases {
        let parts = Parts::new("web", 1);
        let mut layout = LayoutFiles::new();
        let mut manifest = layout.plain_image(&parts);
        for (key, value) in
            [(annotation::CONTAINERD_IMAGE_NAME, full), (annotation::REF_NAME, short)]
        {
            manifest.annotations.extend(value.map(|value| (key.to_owned(), value.to_owned())));
        }
        check(&Rig::new().load(&layout.finish(vec![manifest])).unwrap()[0], &parts, names);
    }
}

#[test]
fn an_image_under_two_names_is_one_image() {
    let parts = Parts::new("web", 1);
    let mut layout = LayoutFiles::new();
    let manifest = layout.plain_image(&parts);
    let entries = vec![named(manifest.clone(), "web:1"), named(manifest, "web:2")];
    let rig = Rig::new();
    let loaded = rig.load(&layout.finish(entries)).unwrap();
    assert_eq!(loaded.len(), 1);
    check(&loaded[0], &parts, &["web:1", "web:2"]);
}

#[test]
fn nested_indexes_lead_to_our_platform() {
    let (ours, theirs) = (Parts::new("ours", 1), Parts::new("theirs", 1));
    let mut layout = LayoutFiles::new();
    let theirs = for_platform(layout.plain_image(&theirs), other_platform());
    // As in what registries give: blobs of other platforms are not there.
    layout.files.retain(|path, _| !path.contains(theirs.digest.hex()));
    let unknown =
        Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), ..host() };
    let attestation = for_platform(layout.blob(media_type::OCI_MANIFEST, vec![b'x']), unknown);
    let mine = for_platform(layout.plain_image(&ours), host());
    let inner = Index::new(vec![theirs, attestation, mine]);
    let inner = layout.json(media_type::OCI_INDEX, &inner);
    let outer = layout.json(media_type::DOCKER_MANIFEST_LIST, &Index::new(vec![inner]));
    let archive = layout.finish(vec![named(outer, "web:1")]);
    check(&Rig::new().load(&archive).unwrap()[0], &ours, &["web:1"]);
}

#[test]
fn another_platform_can_be_chosen() {
    let (ours, theirs) = (Parts::new("ours", 1), Parts::new("theirs", 1));
    let mut layout = LayoutFiles::new();
    let other = for_platform(layout.plain_image(&theirs), other_platform());
    let mine = for_platform(layout.plain_image(&ours), host());
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![mine, other]));
    let archive = layout.finish(vec![named(index, "web:1")]);
    let rig = Rig::new();
    let chosen =
        rig.images().load_for(&archive[..], vec![other_platform()], |_: LoadEvent| {}).unwrap();
    check(&chosen[0], &theirs, &["web:1"]);
    let absent = Platform { architecture: "mips".to_owned(), ..host() };
    let error = rig.images().load_for(&archive[..], vec![absent], |_: LoadEvent| {}).unwrap_err();
    assert!(error.to_string().contains("mips"), "{error}");
}

#[test]
fn one_name_for_several_platforms_is_one_image() {
    let (ours, theirs) = (Parts::new("ours", 1), Parts::new("theirs", 1));
    let mut layout = LayoutFiles::new();
    let theirs = for_platform(layout.plain_image(&theirs), other_platform());
    let mine = for_platform(layout.plain_image(&ours), host());
    let archive = layout.finish(vec![named(theirs, "web:1"), named(mine, "web:1")]);
    let rig = Rig::new();
    let loaded = rig.load(&archive).unwrap();
    assert_eq!(loaded.len(), 1);
    check(&loaded[0], &ours, &["web:1"]);
}

#[test]
fn what_docker_saves_today_has_both_formats() {
    let parts = Parts::new("web", 2);
    let mut layout = LayoutFiles::new();
    let manifest = layout.plain_image(&parts);
    let config = path_of(&sha256(&parts.config_bytes()));
    let layers: Vec<String> = parts.layers.iter().map(|layer| path_of(&sha256(layer))).collect();
    let entry = json!([{ "Config": config, "RepoTags": ["web:1", "web:2"], "Layers": layers }]);
    layout.files.insert("manifest.json".to_owned(), entry.to_string().into_bytes());
    let docker_only: Vec<_> = layout.files.clone().into_iter().collect();
    let archive = layout.finish(vec![named(manifest, "docker.io/library/web:1")]);
    check(&Rig::new().load(&archive).unwrap()[0], &parts, &["web:1", "web:2"]);
    check(&Rig::new().load(&tar(&docker_only)).unwrap()[0], &parts, &["web:1", "web:2"]);
}

#[test]
fn sha512_blobs_are_verified_and_kept() {
    let parts = Parts::new("web", 1);
    let mut layout = LayoutFiles::new();
    let layer = parts.layers[0].clone();
    let layer = layout.blob_as(sha512(&layer), media_type::OCI_LAYER, layer);
    let config = parts.config_bytes();
    let config = layout.blob_as(sha512(&config), media_type::OCI_CONFIG, config);
    let manifest = layout.json(media_type::OCI_MANIFEST, &Manifest::new(config, vec![layer]));
    let rig = Rig::new();
    let loaded = rig.load(&layout.finish(vec![named(manifest, "web:1")])).unwrap();
    check(&loaded[0], &parts, &["web:1"]);
    let in_sha512 = |path: &std::path::PathBuf| path.starts_with("blobs/sha512");
    assert_eq!(rig.files().into_iter().filter(in_sha512).count(), 2);
}

#[test]
fn artifacts_are_left_out_and_told() {
    let parts = Parts::new("web", 1);
    let mut layout = LayoutFiles::new();
    let manifest = layout.plain_image(&parts);
    let empty = layout.blob(media_type::OCI_EMPTY, b"{}".to_vec());
    let artifact = layout.json(media_type::OCI_MANIFEST, &Manifest::new(empty, Vec::new()));
    let archive = layout.finish(vec![artifact, manifest]);
    let rig = Rig::new();
    let mut skipped = Vec::new();
    let loaded = rig.images().load(&archive[..], |event| {
        if let LoadEvent::Skipped { reason } = event {
            skipped.push(reason);
        }
    });
    check(&loaded.unwrap()[0], &parts, &[]);
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].contains("is no runnable image"), "{skipped:?}");
}

#[test]
fn an_image_without_layers_is_loaded() {
    let parts = Parts::new("scratch", 0);
    check(
        &Rig::new().load(&docker_archive(&[(&parts, &["s"])])).unwrap()[0],
        &parts,
        &["s:latest"],
    );
}

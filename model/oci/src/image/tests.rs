//! Documents as real tools write them are read; what we write has the spec's spelling.

use serde_json::json;

use super::*;

fn hex(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

#[test]
fn a_docker_configuration_is_read() {
    let text = json!({
        "architecture": "amd64", "os": "linux", "created": "2024-02-29T12:34:56.12Z",
        "docker_version": "20.10.0", "container": "abc", "container_config": { "Cmd": null },
        "config": {
            "Hostname": "", "AttachStdin": false, "Tty": false, "User": "app",
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
            "Env": ["PATH=/bin", "A="], "Cmd": ["sh"], "Entrypoint": null, "Image": "sha256:x",
            "Volumes": { "/data": {} }, "WorkingDir": "/srv", "OnBuild": null,
            "Labels": { "a": "b" }, "StopSignal": "SIGQUIT", "ArgsEscaped": true,
            "Healthcheck": { "Test": ["CMD", "true"], "Interval": 5_000_000_000_u64, "Retries": 2 },
            "Shell": ["/bin/bash", "-c"], "MacAddress": "x", "Unheard": [1, { "of": null }]
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex('a'))] },
        "history": [
            { "created": "2024-02-29T12:34:56Z", "created_by": "/bin/sh -c x" },
            { "created_by": "CMD", "empty_layer": true }
        ]
    });
    let config: ImageConfig = serde_json::from_value(text).unwrap();
    assert_eq!(config.platform.to_string(), "linux/amd64");
    assert_eq!(config.created_at().unwrap().to_string(), "2024-02-29T12:34:56.12Z");
    let defaults = &config.config;
    assert_eq!(defaults.exposed_ports.iter().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
    assert_eq!(defaults.cmd.as_deref(), Some(["sh".to_owned()].as_slice()));
    assert_eq!(defaults.entrypoint, None);
    assert_eq!(defaults.healthcheck.as_ref().unwrap().interval, 5_000_000_000);
    assert!(defaults.on_build.is_empty() && defaults.args_escaped);
    assert_eq!(config.rootfs.diff_ids[0].hex(), hex('a'));
    assert!(config.history[1].empty_layer);

    let again = serde_json::to_value(&config).unwrap();
    assert_eq!(again["config"]["ExposedPorts"], json!({ "53/udp": {}, "80/tcp": {} }));
    assert_eq!(serde_json::from_value::<ImageConfig>(again).unwrap(), config);
}

#[test]
fn null_and_absent_mean_empty() {
    let cases = [
        json!({}),
        json!({ "config": null, "rootfs": null, "history": null, "author": null }),
        json!({ "config": {}, "rootfs": { "type": "layers", "diff_ids": null } }),
        json!({ "config": { "Env": null, "Volumes": null, "ExposedPorts": null, "Labels": null } }),
    ];
    for text in cases {
        let config: ImageConfig = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(config, ImageConfig::default(), "{text}");
    }
}

#[test]
fn an_unset_command_differs_from_an_empty_one() {
    let config: ImageConfig = serde_json::from_str(r#"{"config":{"Cmd":[]}}"#).unwrap();
    assert_eq!(config.config.cmd, Some(Vec::new()));
    assert_eq!(config.config.entrypoint, None);
}

#[test]
fn a_manifest_is_spelled_as_the_specification_says() {
    let digest = |digit| format!("sha256:{}", hex(digit)).parse().unwrap();
    let config = Descriptor::new(media_type::OCI_CONFIG, digest('1'), 10);
    let layer = Descriptor::new(media_type::OCI_LAYER_ZSTD, digest('2'), 20);
    let manifest = Manifest::new(config, vec![layer]);
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{}", hex('1')), "size": 10
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
            "digest": format!("sha256:{}", hex('2')), "size": 20
        }]
    });
    assert_eq!(serde_json::to_value(&manifest).unwrap(), expected);
    assert_eq!(serde_json::from_value::<Manifest>(expected).unwrap(), manifest);
}

#[test]
fn an_index_with_platforms_and_artifacts_is_read() {
    let text = json!({
        "schemaVersion": 2, "manifests": [
            { "mediaType": media_type::OCI_MANIFEST, "digest": format!("sha256:{}", hex('1')),
              "size": 1, "platform": { "architecture": "arm64", "os": "linux", "variant": "v8",
              "os.version": "1", "os.features": null }, "annotations": null, "urls": null },
            { "mediaType": "application/x-unheard-of", "digest": format!("sha512:{}", hex('2').repeat(2)),
              "size": 2, "artifactType": "application/x-sbom", "data": "e30=" }
        ]
    });
    let index: Index = serde_json::from_value(text).unwrap();
    assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm64/v8");
    assert_eq!(index.manifests[1].artifact_type.as_deref(), Some("application/x-sbom"));
}

#[test]
fn documents_that_are_not_what_they_should_be_are_refused() {
    let digest = format!("sha256:{}", hex('1'));
    let descriptors = [
        json!({ "digest": digest, "size": -1 }),
        json!({ "digest": digest }),
        json!({ "digest": "sha256:../../etc/passwd", "size": 1 }),
        json!({ "digest": "md5:00", "size": 1 }),
    ];
    for text in descriptors {
        serde_json::from_value::<Descriptor>(text.clone()).expect_err(&text.to_string());
    }
    serde_json::from_str::<Manifest>(r#"{"schemaVersion":1,"fsLayers":[]}"#).unwrap_err();
    serde_json::from_str::<Vec<ArchiveManifest>>("<html></html>").unwrap_err();
}

#[test]
fn a_docker_archive_manifest_is_read() {
    let text = r#"[{"Config":"a.json","RepoTags":null,"Layers":["b/layer.tar"],"Parent":"x"}]"#;
    let entries: Vec<ArchiveManifest> = serde_json::from_str(text).unwrap();
    assert_eq!(entries[0].config, "a.json");
    assert!(entries[0].repo_tags.is_empty());
    assert_eq!(entries[0].layers, ["b/layer.tar"]);
}

#[test]
fn media_types_are_told_apart() {
    assert!(media_type::is_index(media_type::DOCKER_MANIFEST_LIST));
    assert!(media_type::is_manifest(media_type::DOCKER_MANIFEST));
    assert!(!media_type::is_manifest(media_type::OCI_INDEX));
    assert!(media_type::is_layer(media_type::DOCKER_LAYER_GZIP));
    assert!(media_type::is_layer(media_type::OCI_LAYER));
    assert!(media_type::is_foreign_layer(media_type::DOCKER_FOREIGN_LAYER_GZIP));
    assert!(!media_type::is_layer(media_type::OCI_EMPTY));
    assert!(media_type::is_config(media_type::DOCKER_CONFIG));
}

#[test]
fn attestations_say_what_they_are_about() {
    let read = |annotations: serde_json::Value| {
        let entry: Descriptor = serde_json::from_value(json!({
            "mediaType": media_type::OCI_MANIFEST, "digest": format!("sha256:{}", "a".repeat(64)), "size": 1,
            "annotations": annotations,
        }))
        .unwrap();
        entry.attests().map(str::to_owned)
    };
    let about = "sha256:b";
    let kind = "attestation-manifest";
    let whole = json!({"vnd.docker.reference.type": kind, "vnd.docker.reference.digest": about});
    assert_eq!(read(whole).as_deref(), Some(about));
    assert_eq!(read(json!({"vnd.docker.reference.type": kind})), None);
    let other = json!({"vnd.docker.reference.type": "x", "vnd.docker.reference.digest": about});
    assert_eq!(read(other), None);
}

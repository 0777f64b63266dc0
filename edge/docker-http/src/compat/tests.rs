//! The chain of steps, with data in and data out.

use gantry_api::container::{ContainerInspect, ContainerSummary};
use gantry_api::image::{ImageInspect, ImageSummary};
use gantry_api::mount::{BindOptions, Mount, TmpfsOptions, VolumeOptions};
use gantry_api::network::EndpointSettings;
use gantry_api::system::{Commit, DiskUsage, Info};
use gantry_types::Signal;
use serde_json::json;

use super::*;

fn one(minor: u32) -> ApiVersion {
    ApiVersion::one(minor)
}

fn downgraded<T: Serialize>(minor: u32, steps: Steps, document: &T) -> Value {
    let mut value = serde_json::to_value(document).unwrap();
    downgrade(one(minor), steps, &mut value);
    value
}

/// What a version's create becomes, or the refusal.
fn created(minor: u32, mut request: CreateRequest) -> Result<CreateRequest, String> {
    let mut query = CreateQuery::default();
    upgrade_create(one(minor), &mut query, &mut request).map_err(|error| error.to_string())?;
    Ok(request)
}

fn with_mount(mount: Mount) -> CreateRequest {
    let mut request = CreateRequest::default();
    request.host_config.mounts.push(mount);
    request
}

fn bind(options: BindOptions) -> Mount {
    Mount {
        r#type: "bind".into(),
        read_only: true,
        bind_options: Some(options),
        ..Mount::default()
    }
}

#[test]
fn steps_are_newest_first() {
    for steps in [CONTAINER_INSPECT, CONTAINER_LIST, DISK_USAGE, IMAGE_INSPECT, IMAGE_LIST, INFO] {
        assert!(steps.is_sorted_by_key(|(version, _)| std::cmp::Reverse(*version)));
    }
}

#[test]
fn the_newest_version_is_left_alone() {
    let mut request =
        with_mount(bind(BindOptions { create_mountpoint: true, ..BindOptions::default() }));
    request.host_config.console_size = [24, 80];
    request.host_config.annotations.insert("a".into(), "b".into());
    assert_eq!(created(50, request.clone()).unwrap(), request);
    let image = ImageInspect::default();
    assert_eq!(downgraded(50, IMAGE_INSPECT, &image), json!(image));
}

#[test]
fn before_1_41_no_platform() {
    let mut query = CreateQuery { platform: Some("linux/arm64".into()), ..CreateQuery::default() };
    upgrade_create(one(41), &mut query, &mut CreateRequest::default()).unwrap();
    assert!(query.platform.is_some());
    upgrade_create(one(40), &mut query, &mut CreateRequest::default()).unwrap();
    assert!(query.platform.is_none());
}

#[test]
fn before_1_42_what_was_not_heeded() {
    let mount = Mount {
        volume_options: Some(VolumeOptions::default()),
        tmpfs_options: Some(TmpfsOptions::default()),
        ..bind(BindOptions { create_mountpoint: true, ..BindOptions::default() })
    };
    let mut request = with_mount(mount);
    request.host_config.console_size = [24, 80];
    let old = created(41, request).unwrap().host_config;
    assert_eq!(old.console_size, [0, 0]);
    assert!(!old.mounts[0].bind_options.as_ref().unwrap().create_mountpoint);
    assert!(old.mounts[0].volume_options.is_none() && old.mounts[0].tmpfs_options.is_none());

    let mut stop = StopOptions { signal: Some(Signal::INT), timeout_s: Some(3) };
    upgrade_stop(one(42), &mut stop);
    assert_eq!(stop.signal, Some(Signal::INT));
    upgrade_stop(one(41), &mut stop);
    assert_eq!((stop.signal, stop.timeout_s), (None, Some(3)));

    let mut start = ExecStartRequest { console_size: Some([1, 2]), ..ExecStartRequest::default() };
    upgrade_exec_start(one(41), &mut start);
    assert_eq!(start.console_size, None);
}

#[test]
fn stream_types() {
    assert_eq!(stream_type(one(50), false), MULTIPLEXED_STREAM);
    assert_eq!(stream_type(one(42), false), MULTIPLEXED_STREAM);
    assert_eq!(stream_type(one(42), true), RAW_STREAM);
    assert_eq!(stream_type(one(41), false), RAW_STREAM);
}

#[test]
fn before_1_43_no_annotations_and_names_that_say_none() {
    let mut request = CreateRequest::default();
    request.host_config.annotations.insert("a".into(), "b".into());
    assert!(created(42, request).unwrap().host_config.annotations.is_empty());

    let named = ImageSummary { repo_tags: vec!["a:b".into()], ..ImageSummary::default() };
    let rows = downgraded(42, IMAGE_LIST, &[ImageSummary::default(), named]);
    assert_eq!(rows[0]["RepoTags"], json!(["<none>:<none>"]));
    assert_eq!(rows[0]["RepoDigests"], json!(["<none>@<none>"]));
    assert_eq!(rows[1]["RepoTags"], json!(["a:b"]));
    assert_eq!(rows[1]["RepoDigests"], json!([]));
    assert_eq!(downgraded(43, IMAGE_LIST, &[ImageSummary::default()])[0]["RepoTags"], json!([]));
}

#[test]
fn before_1_44_read_only_is_shallow_and_endpoints_are_one() {
    let shallow = created(43, with_mount(bind(BindOptions::default()))).unwrap();
    assert!(shallow.host_config.mounts[0].bind_options.as_ref().unwrap().read_only_non_recursive);
    let deep = BindOptions { read_only_force_recursive: true, ..BindOptions::default() };
    assert_eq!(
        created(43, with_mount(bind(deep.clone()))).unwrap_err(),
        "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer"
    );
    assert!(created(44, with_mount(bind(deep))).is_ok());

    let mut request = CreateRequest::default();
    for name in ["a", "b"] {
        request.networking_config.endpoints_config.insert(name.into(), None);
    }
    assert_eq!(
        created(43, request).unwrap_err(),
        "Container cannot be created with multiple network endpoints: a, b"
    );
}

#[test]
fn before_1_44_the_mac_address_was_the_containers() {
    let mut request = CreateRequest::default();
    request.config.mac_address = "02:00:00:00:00:01".into();
    request.host_config.network_mode = "mine".into();
    let moved = created(43, request.clone()).unwrap();
    let endpoint = moved.networking_config.endpoints_config["mine"].as_ref().unwrap();
    assert_eq!(endpoint.mac_address, "02:00:00:00:00:01");
    assert_eq!(moved.config.mac_address, "");

    request.host_config.network_mode = "host".into();
    assert_eq!(
        created(43, request).unwrap_err(),
        "conflicting options: mac-address and the network mode"
    );

    let endpoint =
        EndpointSettings { mac_address: "02:00:00:00:00:02".into(), ..EndpointSettings::default() };
    let mut request = CreateRequest::default();
    request.networking_config.endpoints_config.insert("mine".into(), Some(endpoint));
    let cleared = created(43, request).unwrap();
    assert_eq!(
        cleared.networking_config.endpoints_config["mine"].as_ref().unwrap().mac_address,
        ""
    );
}

#[test]
fn before_1_44_images_had_a_virtual_size() {
    let image = ImageInspect { size: 7, ..ImageInspect::default() };
    let old = downgraded(43, IMAGE_INSPECT, &image);
    assert_eq!((&old["VirtualSize"], &old["Created"]), (&json!(7), &json!("0001-01-01T00:00:00Z")));
    let new = downgraded(44, IMAGE_INSPECT, &image);
    assert_eq!((new.get("VirtualSize"), new.get("Created")), (None, None));
    let row = ImageSummary { size: 7, ..ImageSummary::default() };
    assert_eq!(downgraded(43, IMAGE_LIST, &[row])[0]["VirtualSize"], json!(7));
}

#[test]
fn before_1_45_aliases_had_the_short_id() {
    let mut container =
        ContainerInspect { id: "0123456789abcdef".into(), ..ContainerInspect::default() };
    container.config.hostname = "web".into();
    for name in ["bridge", "mine"] {
        container.network_settings.networks.insert(name.into(), EndpointSettings::default());
    }
    let old = downgraded(44, CONTAINER_INSPECT, &container);
    let networks = &old["NetworkSettings"]["Networks"];
    assert_eq!(networks["mine"]["Aliases"], json!(["0123456789ab", "web"]));
    assert_eq!(networks["bridge"]["Aliases"], Value::Null);
    assert_eq!(downgraded(45, CONTAINER_INSPECT, &container), json!(container));

    let subpath = VolumeOptions { subpath: "a".into(), ..VolumeOptions::default() };
    let mount =
        Mount { r#type: "volume".into(), volume_options: Some(subpath), ..Mount::default() };
    assert_eq!(
        created(44, with_mount(mount)).unwrap_err(),
        "VolumeOptions.Subpath needs API v1.45 or newer"
    );
    assert_eq!(downgraded(44, IMAGE_INSPECT, &ImageInspect::default())["Container"], json!(""));
}

#[test]
fn before_1_46_the_list_had_no_annotations() {
    let mut row = ContainerSummary::default();
    row.host_config.annotations.insert("a".into(), "b".into());
    assert_eq!(downgraded(45, CONTAINER_LIST, &[&row])[0]["HostConfig"], json!({}));
    assert_eq!(
        downgraded(46, CONTAINER_LIST, &[&row])[0]["HostConfig"],
        json!({"Annotations": {"a": "b"}})
    );
}

#[test]
fn before_1_48_no_image_mounts_and_no_gateway_priorities() {
    let mount = Mount { r#type: "image".into(), ..Mount::default() };
    assert_eq!(
        created(47, with_mount(mount)).unwrap_err(),
        "Mount type \"Image\" needs API v1.48 or newer"
    );
    let mut request = CreateRequest::default();
    let endpoint = EndpointSettings { gw_priority: 3, ..EndpointSettings::default() };
    request.networking_config.endpoints_config.insert("mine".into(), Some(endpoint));
    let old = created(47, request).unwrap();
    assert_eq!(old.networking_config.endpoints_config["mine"], Some(EndpointSettings::default()));
}

#[test]
fn before_1_49_and_1_50_info_said_more() {
    let info = Info { runc_commit: Commit { id: "abc".into() }, ..Info::default() };
    let old = downgraded(48, INFO, &info);
    assert_eq!(old["RuncCommit"], json!({"ID": "abc", "Expected": "abc"}));
    assert_eq!(old["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"], json!([]));
    assert_eq!(old["BridgeNfIptables"], json!(false));
    let newer = downgraded(49, INFO, &info);
    assert_eq!(newer["RuncCommit"], json!({"ID": "abc"}));
    assert_eq!(newer["BridgeNfIp6tables"], json!(false));
    assert_eq!(downgraded(50, INFO, &info), json!(info));
}

#[test]
fn before_1_50_images_had_a_containers_config() {
    let old = downgraded(49, IMAGE_INSPECT, &ImageInspect::default());
    assert_eq!(old["Config"]["Hostname"], json!(""));
    assert_eq!(old["Config"]["AttachStdin"], json!(false));
    assert_eq!(old["Config"]["Env"], Value::Null);
}

#[test]
fn disk_usage_has_the_shape_of_its_lists() {
    let usage = DiskUsage {
        layers_size: 7,
        images: Some(vec![ImageSummary { size: 7, ..ImageSummary::default() }]),
        containers: Some(vec![ContainerSummary::default()]),
        volumes: Some(Vec::new()),
        build_cache: None,
    };
    assert_eq!(downgraded(50, DISK_USAGE, &usage), json!(usage));
    assert!(json!(usage)["BuildCache"].is_null());
    let old = downgraded(41, DISK_USAGE, &usage);
    assert_eq!((&old["BuilderSize"], &old["Images"][0]["VirtualSize"]), (&json!(0), &json!(7)));
    assert_eq!(old["Images"][0]["RepoTags"], json!(["<none>:<none>"]));
    let nothing = downgraded(41, DISK_USAGE, &DiskUsage::default());
    assert!(nothing["Images"].is_null() && nothing["Containers"].is_null());
    let kinds = || vec!["image".to_owned()];
    assert_eq!(upgrade_df(one(42), kinds()), kinds());
    assert!(upgrade_df(one(41), kinds()).is_empty());
}

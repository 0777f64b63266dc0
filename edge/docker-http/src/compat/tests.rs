//! The chain of steps, with data in and data out.

use gantry_api::container::{ContainerInspect, ContainerStats, ContainerSummary, SummaryHealth};
use gantry_api::image::{ImageInspect, ImageSummary};
use gantry_api::mount::{BindOptions, Mount, MountDriver, TmpfsOptions, VolumeOptions};
use gantry_api::network::EndpointSettings;
use gantry_api::system::{Commit, FirewallBackend, Info, Usage};
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

/// What a version's create warns of.
fn warned(minor: u32, request: &CreateRequest) -> Vec<String> {
    upgrade_create(one(minor), &mut CreateQuery::default(), &mut request.clone()).unwrap()
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
    assert_eq!(created(55, request.clone()).unwrap(), request);
    let image = ImageInspect::default();
    assert_eq!(downgraded(55, IMAGE_INSPECT, &image), json!(image));
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
    let settings = &downgraded(45, CONTAINER_INSPECT, &container)["NetworkSettings"];
    assert_eq!(settings["Networks"], json!(container.network_settings.networks));

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
fn before_1_48_sysctls_of_the_first_device_were_the_containers() {
    const OPTION: &str = "com.docker.network.endpoint.sysctls";
    let mut request = CreateRequest::default();
    for (name, value) in [
        ("net.ipv4.conf.eth0.log_martians", "1"),
        ("net.ipv4.conf.eth1.log_martians", "1"),
        ("net.ipv6.conf.all.disable_ipv6", "0"),
        ("net.ipv6.conf.eth0.accept_ra", "2"),
    ] {
        request.host_config.sysctls.insert(name.into(), value.into());
    }
    let kept = ["net.ipv4.conf.eth1.log_martians", "net.ipv6.conf.all.disable_ipv6"];
    let words = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2";
    for (mode, key) in
        [("", "default"), ("default", "default"), ("bridge", "bridge"), ("mine", "mine")]
    {
        request.host_config.network_mode = mode.into();
        let moved = created(47, request.clone()).unwrap();
        assert!(moved.host_config.sysctls.keys().eq(kept), "{mode}");
        let endpoints = moved.networking_config.endpoints_config;
        let endpoint = endpoints[key].as_ref().unwrap();
        assert_eq!((endpoints.len(), endpoint.driver_opts[OPTION].as_str()), (1, words), "{mode}");
        let warnings = warned(47, &request);
        assert!(
            warnings[0].starts_with("Migrated sysctl \"net.ipv4.conf.eth0.log_martians,net.ipv6")
        );
        assert!(warnings[0].contains(words), "{warnings:?}");
    }
    assert_eq!(created(48, request.clone()).unwrap(), request, "left for the handler to refuse");

    let own = "net.ipv6.conf.IFNAME.accept_ra=0";
    let endpoint = EndpointSettings {
        driver_opts: [(OPTION.to_owned(), own.to_owned())].into(),
        ..EndpointSettings::default()
    };
    request.host_config.network_mode = "default".into();
    request.networking_config.endpoints_config.insert("bridge".into(), Some(endpoint));
    let endpoints = created(47, request.clone()).unwrap().networking_config.endpoints_config;
    let options = &endpoints["bridge"].as_ref().unwrap().driver_opts;
    assert_eq!((endpoints.len(), &options[OPTION]), (1, &format!("{words},{own}")));

    for mode in ["none", "host", "container:web"] {
        request.host_config.network_mode = mode.into();
        assert_eq!(created(47, request.clone()).unwrap(), request, "{mode}");
    }
}

#[test]
fn since_1_48_a_volume_driver_without_effect_is_told() {
    let volume = Mount { r#type: "volume".into(), ..Mount::default() };
    let mut request = with_mount(volume.clone());
    assert!(warned(48, &request).is_empty());
    request.host_config.volume_driver = "other".into();
    assert!(warned(47, &request).is_empty());
    let warnings = warned(48, &request);
    assert!(warnings[0].starts_with("the container-wide volume-driver configuration is ignored"));
    assert_eq!(warned(55, &request), warnings);

    let driver = MountDriver { name: "own".into(), ..MountDriver::default() };
    let options = VolumeOptions { driver_config: Some(driver), ..VolumeOptions::default() };
    request.host_config.mounts = vec![
        Mount { volume_options: Some(options), ..volume },
        Mount { r#type: "tmpfs".into(), ..Mount::default() },
    ];
    assert!(warned(48, &request).is_empty());
}

#[test]
fn before_1_49_and_1_50_info_said_more() {
    let firewall = FirewallBackend { driver: "nftables".into() };
    let info = Info {
        runc_commit: Commit { id: "abc".into() },
        firewall_backend: Some(firewall),
        ..Info::default()
    };
    let old = downgraded(48, INFO, &info);
    assert_eq!(old["RuncCommit"], json!({"ID": "abc", "Expected": "abc"}));
    assert_eq!(old["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"], json!([]));
    assert_eq!(old["BridgeNfIptables"], json!(false));
    assert_eq!(old.get("FirewallBackend"), None);
    let newer = downgraded(49, INFO, &info);
    assert_eq!(newer["RuncCommit"], json!({"ID": "abc"}));
    assert_eq!(newer["BridgeNfIp6tables"], json!(false));
    assert_eq!(newer["FirewallBackend"], json!({"Driver": "nftables"}));
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
fn before_1_51_no_container_was_counted_and_before_1_47_no_manifest_told() {
    assert!(counts_containers(one(51)) && !counts_containers(one(50)));
    let row = ImageSummary {
        manifests: vec![gantry_api::image::ManifestSummary::default()],
        ..ImageSummary::default()
    };
    assert_eq!(downgraded(46, IMAGE_LIST, &[&row])[0].get("Manifests"), None);
    assert!(downgraded(47, IMAGE_LIST, &[&row])[0]["Manifests"].is_array());
}

#[test]
fn before_1_52_a_container_told_its_default_endpoint_twice() {
    let mut container = ContainerInspect::default();
    let endpoint = EndpointSettings {
        ip_address: "172.17.0.2".into(),
        ip_prefix_len: 16,
        mac_address: "02:00:00:00:00:01".into(),
        ..EndpointSettings::default()
    };
    container.network_settings.networks.insert("bridge".into(), endpoint);
    let new = downgraded(52, CONTAINER_INSPECT, &container);
    assert_eq!(new["NetworkSettings"].get("IPAddress"), None);
    assert_eq!(new["Config"].get("OnBuild"), None);
    let old = downgraded(51, CONTAINER_INSPECT, &container);
    let settings = &old["NetworkSettings"];
    for (key, value) in [
        ("IPAddress", json!("172.17.0.2")),
        ("IPPrefixLen", json!(16)),
        ("MacAddress", json!("02:00:00:00:00:01")),
        ("Gateway", json!("")),
        ("HairpinMode", json!(false)),
        ("SecondaryIPAddresses", Value::Null),
    ] {
        assert_eq!(settings[key], value, "{key}");
    }
    assert_eq!(old["Config"]["OnBuild"], Value::Null);
    let alone = downgraded(51, CONTAINER_INSPECT, &ContainerInspect::default());
    assert_eq!(alone["NetworkSettings"]["IPAddress"], json!(""));
}

#[test]
fn before_1_52_a_container_had_a_mac_address() {
    let mut request = CreateRequest::default();
    request.config.mac_address = "02:00:00:00:00:01".into();
    let newest = created(52, request.clone()).unwrap();
    assert_eq!(newest.config.mac_address, "02:00:00:00:00:01", "left for the handler to refuse");
    let moved = created(51, request.clone()).unwrap();
    let endpoint = moved.networking_config.endpoints_config["default"].as_ref().unwrap();
    assert_eq!(
        (endpoint.mac_address.as_str(), moved.config.mac_address.as_str()),
        ("02:00:00:00:00:01", "")
    );
    let deprecated = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";
    assert_eq!(warned(51, &request), [deprecated]);
    assert_eq!(warned(44, &request), [deprecated]);
    assert!(warned(43, &request).is_empty() && warned(51, &CreateRequest::default()).is_empty());
    let other =
        EndpointSettings { mac_address: "02:00:00:00:00:02".into(), ..EndpointSettings::default() };
    request.networking_config.endpoints_config.insert("default".into(), Some(other));
    assert!(created(51, request).unwrap_err().contains("give one of them"));
}

#[test]
fn before_1_52_rows_had_no_health() {
    let health = SummaryHealth { status: "unhealthy".into(), failing_streak: 3 };
    let row = ContainerSummary { health: Some(health), ..ContainerSummary::default() };
    let new = downgraded(52, CONTAINER_LIST, &[&row]);
    assert_eq!(new[0]["Health"], json!({"Status": "unhealthy", "FailingStreak": 3}));
    assert_eq!(downgraded(51, CONTAINER_LIST, &[&row])[0].get("Health"), None);
    let unchecked = ContainerSummary::default();
    assert_eq!(downgraded(52, CONTAINER_LIST, &[&unchecked])[0].get("Health"), None);
}

#[test]
fn before_1_52_samples_named_no_system() {
    let sample = ContainerStats { os_type: "linux".into(), ..ContainerStats::default() };
    assert_eq!(downgraded(52, CONTAINER_STATS, &sample)["os_type"], json!("linux"));
    assert_eq!(downgraded(51, CONTAINER_STATS, &sample).get("os_type"), None);
}

#[test]
fn before_1_52_images_told_what_they_lack() {
    let new = downgraded(52, IMAGE_INSPECT, &ImageInspect::default());
    assert_eq!((new.get("Parent"), new["Config"].get("Cmd")), (None, None));
    let old = downgraded(51, IMAGE_INSPECT, &ImageInspect::default());
    assert_eq!((&old["Parent"], &old["Config"]["User"]), (&json!(""), &json!("")));
    assert_eq!(old["Config"].get("Cmd"), Some(&Value::Null));
    let identity = Some(gantry_api::image::ImageIdentity::default());
    let image = ImageInspect { identity, ..ImageInspect::default() };
    assert_eq!(downgraded(52, IMAGE_INSPECT, &image).get("Identity"), None);
    assert!(downgraded(53, IMAGE_INSPECT, &image)["Identity"].is_object());
}

fn usage() -> DiskUsage {
    let image = ImageSummary { size: 7, containers: 1, ..ImageSummary::default() };
    DiskUsage {
        image_usage: Some(Usage::of_images(vec![image], 7)),
        container_usage: Some(Usage::of_containers(vec![ContainerSummary::default()])),
        volume_usage: Some(Usage::default()),
        build_cache_usage: None,
    }
}

#[test]
fn disk_usage_has_the_shape_of_its_lists() {
    let old = downgraded(41, DISK_USAGE, &usage());
    assert_eq!((&old["BuilderSize"], &old["Images"][0]["VirtualSize"]), (&json!(0), &json!(7)));
    assert_eq!(old["Images"][0]["RepoTags"], json!(["<none>:<none>"]));
    let old = downgraded(51, DISK_USAGE, &usage());
    assert_eq!((&old["LayersSize"], &old["Volumes"]), (&json!(7), &json!([])));
    assert!(old["BuildCache"].is_null() && old.get("ImageUsage").is_none());
    let nothing = downgraded(41, DISK_USAGE, &DiskUsage::default());
    assert!(nothing["Images"].is_null() && nothing["Containers"].is_null());
    let kinds = || vec!["image".to_owned()];
    assert_eq!(upgrade_df(one(42), kinds()), kinds());
    assert!(upgrade_df(one(41), kinds()).is_empty());
}

#[tokio::test]
async fn disk_usage_since_1_52_has_sums() {
    use http_body_util::BodyExt;
    let read = async |minor, verbose| -> Value {
        let reply = disk_usage(one(minor), verbose, &usage()).unwrap();
        serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap()
    };
    let verbose = read(55, Some(true)).await;
    assert_eq!(verbose["ImageUsage"]["Items"][0]["Size"], json!(7));
    assert_eq!(verbose["ImageUsage"]["ActiveCount"], json!(1));
    assert_eq!(verbose.get("Images"), None);
    let brief = read(55, Some(false)).await;
    assert_eq!(brief["ImageUsage"], json!({"ActiveCount": 1, "TotalCount": 1, "TotalSize": 7}));
    assert_eq!((brief.get("Images"), &brief["VolumeUsage"]), (None, &json!({})));
    let both = read(52, None).await;
    assert_eq!(
        (&both["ImageUsage"], &both["Images"][0]["Size"]),
        (&brief["ImageUsage"], &json!(7))
    );
    assert_eq!(both.get("BuildCache"), None, "nobody asked for it");
}

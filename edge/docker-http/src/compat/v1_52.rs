//! What 1.52 brought: events without the three fields that repeat others, and types for streams of documents; networks
//! of a container that are told once, and its health in lists; subnets that tell how full they are; a MAC address for
//! each endpoint only; images that leave out what is empty; a disk usage with sums.

use gantry_api::container::CreateRequest;
use serde_json::{Map, Value, json};

use super::first_network;
use crate::error::Error;

/// Before, a container's own MAC address was that of its first network; since 1.44 with a warning.
pub(super) fn create(request: &mut CreateRequest) -> Result<Option<String>, Error> {
    let address = std::mem::take(&mut request.config.mac_address);
    if address.is_empty() {
        return Ok(None);
    }
    let Some(network) = first_network(request) else {
        let text = "conflicting options: mac-address and the network mode";
        return Err(Error::Invalid(text.to_owned()));
    };
    let endpoints = &mut request.networking_config.endpoints_config;
    let endpoint = endpoints.entry(network.clone()).or_default().get_or_insert_default();
    if !endpoint.mac_address.is_empty() && endpoint.mac_address != address {
        return Err(Error::Invalid(format!(
            "the container has the MAC address {address} and its endpoint in the network {network} has {}: give one of them",
            endpoint.mac_address
        )));
    }
    endpoint.mac_address = address;
    let text = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";
    Ok(Some(text.to_owned()))
}

/// Health was told in words only.
pub(super) fn container_list(rows: &mut Value) {
    for row in rows.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        row.remove("Health");
    }
}

/// Samples did not tell which system's they are.
pub(super) fn container_stats(sample: &mut Value) {
    if let Some(fields) = sample.as_object_mut() {
        fields.remove("os_type");
    }
}

/// The endpoint in the default bridge was told a second time, beside fields that nothing fills any more.
pub(super) fn container_inspect(container: &mut Value) {
    if container.pointer("/Config/OnBuild").is_none() {
        container["Config"]["OnBuild"] = Value::Null;
    }
    let settings = &mut container["NetworkSettings"];
    let default = settings["Networks"]["bridge"].clone();
    for (key, nothing) in [
        ("EndpointID", json!("")),
        ("Gateway", json!("")),
        ("GlobalIPv6Address", json!("")),
        ("GlobalIPv6PrefixLen", json!(0)),
        ("IPAddress", json!("")),
        ("IPPrefixLen", json!(0)),
        ("IPv6Gateway", json!("")),
        ("MacAddress", json!("")),
    ] {
        settings[key] = default.get(key).cloned().unwrap_or(nothing);
    }
    settings["Bridge"] = json!("");
    settings["HairpinMode"] = json!(false);
    settings["LinkLocalIPv6Address"] = json!("");
    settings["LinkLocalIPv6PrefixLen"] = json!(0);
    settings["SecondaryIPAddresses"] = Value::Null;
    settings["SecondaryIPv6Addresses"] = Value::Null;
}

/// Nothing was told of how full its subnets are.
pub(super) fn network_inspect(network: &mut Value) {
    if let Some(network) = network.as_object_mut() {
        network.remove("Status");
    }
}

/// What is empty was told, too.
pub(super) fn image_inspect(image: &mut Value) {
    fill(image, &["Parent", "Comment", "DockerVersion", "Author"], &json!(""));
    let config = &mut image["Config"];
    fill(config, &["User", "WorkingDir"], &json!(""));
    fill(config, &["Env", "Cmd", "Entrypoint", "Volumes", "Labels", "OnBuild"], &Value::Null);
}

fn fill(document: &mut Value, keys: &[&str], nothing: &Value) {
    for key in keys {
        if document.get(*key).is_none() {
            document[*key] = nothing.clone();
        }
    }
}

/// Each object was told, and no sum but that of the layers.
pub(super) fn disk_usage(usage: &mut Value) {
    let mut old = Map::new();
    let layers_bytes = usage.pointer("/ImageUsage/TotalSize").cloned().unwrap_or(json!(0));
    old.insert("LayersSize".to_owned(), layers_bytes);
    for (key, new) in [
        ("Images", "ImageUsage"),
        ("Containers", "ContainerUsage"),
        ("Volumes", "VolumeUsage"),
        ("BuildCache", "BuildCacheUsage"),
    ] {
        let items = usage.get_mut(new).map(|part| match part["Items"].take() {
            Value::Null => json!([]),
            items => items,
        });
        old.insert(key.to_owned(), items.unwrap_or(Value::Null));
    }
    *usage = Value::Object(old);
}

/// The containers of a disk usage that has got the old shape.
pub(super) fn disk_usage_containers(usage: &mut Value) {
    container_list(&mut usage["Containers"]);
}

/// The sums alone.
pub(super) fn forget_items(usage: &mut Value) {
    for part in usage.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(part) = part.as_object_mut() {
            part.remove("Items");
        }
    }
}

/// `status`, `id` and `from`, of which only containers have the last.
pub(super) fn event(event: &mut Value) {
    let kind = event["Type"].clone();
    if kind != "container" && kind != "image" {
        return;
    }
    event["status"] = event["Action"].clone();
    event["id"] = event["Actor"]["ID"].clone();
    if kind == "container" {
        let image = event["Actor"]["Attributes"]["image"].as_str().unwrap_or_default();
        event["from"] = json!(image);
    }
}

//! What 1.44 brought: several endpoints at once, each with its own MAC address; read-only binds that are so all the way
//! down; a start interval for health checks; images without `VirtualSize`.

use gantry_api::container::CreateRequest;
use serde_json::{Value, json};

use super::first_network;
use crate::error::Error;

pub(super) fn create(request: &mut CreateRequest) -> Result<(), Error> {
    if let Some(healthcheck) = &mut request.config.healthcheck {
        healthcheck.start_interval = 0;
    }
    for mount in request.host_config.mounts.iter_mut().filter(|mount| mount.r#type == "bind") {
        let options = mount.bind_options.get_or_insert_default();
        if options.read_only_force_recursive {
            let text = "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer";
            return Err(Error::Invalid(text.to_owned()));
        }
        options.read_only_non_recursive |= mount.read_only;
    }
    let endpoints = &request.networking_config.endpoints_config;
    if endpoints.len() > 1 {
        let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
        let text = "Container cannot be created with multiple network endpoints";
        return Err(Error::Invalid(format!("{text}: {}", names.join(", "))));
    }
    mac_address(request)
}

/// The container's MAC address was one of its `Config`; it belongs to the one endpoint.
fn mac_address(request: &mut CreateRequest) -> Result<(), Error> {
    let address = std::mem::take(&mut request.config.mac_address);
    if address.is_empty() {
        for endpoint in request.networking_config.endpoints_config.values_mut().flatten() {
            endpoint.mac_address.clear();
        }
        return Ok(());
    }
    let Some(network) = first_network(request) else {
        let text = "conflicting options: mac-address and the network mode";
        return Err(Error::Invalid(text.to_owned()));
    };
    let endpoints = &mut request.networking_config.endpoints_config;
    if endpoints.is_empty() {
        endpoints.insert(network, None);
    }
    for endpoint in endpoints.values_mut() {
        endpoint.get_or_insert_default().mac_address.clone_from(&address);
    }
    Ok(())
}

pub(super) fn image_list(rows: &mut Value) {
    for row in rows.as_array_mut().into_iter().flatten() {
        row["VirtualSize"] = row["Size"].clone();
    }
}

pub(super) fn image_inspect(image: &mut Value) {
    image["VirtualSize"] = image["Size"].clone();
    if image.get("Created").is_none() {
        image["Created"] = json!("0001-01-01T00:00:00Z");
    }
}

pub(super) fn disk_usage(usage: &mut Value) {
    image_list(&mut usage["Images"]);
}

//! What 1.48 brought: image mounts, images that say where their names lead, endpoints that say which of them is the
//! gateway, kernel parameters of a device that are its endpoint's only, and a warning of a volume driver without effect.

use gantry_api::container::CreateRequest;
use gantry_api::mount::Mount;
use gantry_api::network::ENDPOINT_SYSCTLS;
use serde_json::Value;

use super::first_network;
use crate::container::create::endpoint_sysctl;
use crate::error::Error;

pub(super) fn create(request: &mut CreateRequest) -> Result<Option<String>, Error> {
    if request.host_config.mounts.iter().any(|mount| mount.r#type == "image") {
        return Err(Error::Invalid("Mount type \"Image\" needs API v1.48 or newer".to_owned()));
    }
    for endpoint in request.networking_config.endpoints_config.values_mut().flatten() {
        endpoint.gw_priority = 0;
    }
    Ok(move_sysctls(request))
}

/// Kernel parameters of the first device could be the container's; they belong to the endpoint in its first network.
fn move_sysctls(request: &mut CreateRequest) -> Option<String> {
    let moved = |(name, value): (&String, &String)| {
        Some((name.clone(), format!("{}={value}", endpoint_sysctl(name)?)))
    };
    let (names, mut words): (Vec<String>, Vec<String>) =
        request.host_config.sysctls.iter().filter_map(moved).unzip();
    if names.is_empty() {
        return None;
    }
    let network = first_network(request)?;
    for name in &names {
        request.host_config.sysctls.remove(name);
    }
    let warning = format!(
        "Migrated sysctl {:?} to DriverOpts{{{ENDPOINT_SYSCTLS:?}:{:?}}}.",
        names.join(","),
        words.join(",")
    );
    let endpoint = request.networking_config.endpoints_config.entry(network).or_default();
    let options = &mut endpoint.get_or_insert_default().driver_opts;
    // What the endpoint says of itself comes last, and so it holds.
    words.extend(options.remove(ENDPOINT_SYSCTLS));
    options.insert(ENDPOINT_SYSCTLS.to_owned(), words.join(","));
    Some(warning)
}

/// A warning since this version: the container's volume driver is not that of its mounts.
pub(super) fn ignored_volume_driver(request: &CreateRequest) -> Option<String> {
    let host = &request.host_config;
    let has_driver = |mount: &Mount| {
        let config = mount.volume_options.as_ref().and_then(|it| it.driver_config.as_ref());
        config.is_some_and(|config| !config.name.is_empty())
    };
    let is_ignored = !host.volume_driver.is_empty()
        && host.mounts.iter().any(|mount| mount.r#type == "volume" && !has_driver(mount));
    let text = "the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. \
                Use '--mount type=volume,volume-driver=...' instead";
    is_ignored.then(|| text.to_owned())
}

pub(super) fn image_inspect(image: &mut Value) {
    if let Some(image) = image.as_object_mut() {
        image.remove("Descriptor");
        image.remove("Manifests");
    }
}

pub(super) fn image_list(rows: &mut Value) {
    for row in rows.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        row.remove("Descriptor");
    }
}

//! What 1.45 brought: volume subpaths, aliases without the container's short id, images without the container they
//! were made in.

use gantry_api::container::{Config, CreateRequest};
use serde_json::{Value, json};

use crate::error::Error;

pub(super) fn create(request: &mut CreateRequest) -> Result<(), Error> {
    let asks = |options: &gantry_api::mount::VolumeOptions| !options.subpath.is_empty();
    if request.host_config.mounts.iter().any(|m| m.volume_options.as_ref().is_some_and(asks)) {
        return Err(Error::Invalid("VolumeOptions.Subpath needs API v1.45 or newer".to_owned()));
    }
    Ok(())
}

/// In networks of the user's own, the short id and the host name used to be listed as aliases.
pub(super) fn container_inspect(container: &mut Value) {
    let short_id = container["Id"].as_str().unwrap_or_default().chars().take(12).collect();
    let hostname = container["Config"]["Hostname"].as_str().unwrap_or_default().to_owned();
    let networks =
        container.pointer_mut("/NetworkSettings/Networks").and_then(Value::as_object_mut);
    for (name, endpoint) in networks.into_iter().flatten() {
        if matches!(name.as_str(), "bridge" | "host" | "none" | "default") {
            continue;
        }
        let mut aliases: Vec<Value> = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        for alias in [Value::String(String::clone(&short_id)), Value::String(hostname.clone())] {
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        endpoint["Aliases"] = Value::Array(aliases);
    }
}

pub(super) fn image_inspect(image: &mut Value) {
    image["Container"] = json!("");
    image["ContainerConfig"] = json!(Config::default());
    image["ContainerConfig"]["Labels"] = Value::Null;
}

//! What 1.48 brought: image mounts, images that say where their names lead, and endpoints that say which of them is the gateway.

use gantry_api::container::CreateRequest;
use serde_json::Value;

use crate::error::Error;

pub(super) fn create(request: &mut CreateRequest) -> Result<(), Error> {
    if request.host_config.mounts.iter().any(|mount| mount.r#type == "image") {
        return Err(Error::Invalid("Mount type \"Image\" needs API v1.48 or newer".to_owned()));
    }
    for endpoint in request.networking_config.endpoints_config.values_mut().flatten() {
        endpoint.gw_priority = 0;
    }
    Ok(())
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

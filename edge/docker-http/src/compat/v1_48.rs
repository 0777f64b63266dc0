//! What 1.48 brought: image mounts, and endpoints that say which of them is the gateway.

use gantry_api::container::CreateRequest;

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

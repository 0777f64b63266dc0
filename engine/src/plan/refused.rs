//! What a request may ask for that is not there yet: refused by name, never passed over in silence.

use gantry_api::container::{Config, CreateRequest, HostConfig};

use crate::error::Error;

/// Fails on the first thing that is not there yet or contradicts itself.
pub(super) fn check(request: &CreateRequest) -> Result<(), Error> {
    let host = &request.host_config;
    let missing = host_features(host)
        .into_iter()
        .chain(config_features(&request.config))
        .find_map(|(asked, what)| asked.then_some(what));
    if let Some(what) = missing {
        return Err(Error::not_there_yet(what));
    }
    Ok(())
}

fn host_features(host: &HostConfig) -> Vec<(bool, &'static str)> {
    vec![
        (!host.cgroup.is_empty(), "a shared cgroup"),
        (host.mounts.iter().any(|m| m.r#type == "cluster"), "cluster volumes"),
    ]
}

fn config_features(config: &Config) -> Vec<(bool, &'static str)> {
    vec![(!config.mac_address.is_empty(), "--mac-address")]
}

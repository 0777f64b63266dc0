//! Older versions of the API: one file per version that changed a shape we have, each undoing what its version brought.
//!
//! Handlers know the newest version only. Requests go through the steps of all versions newer than the client's, and so
//! do answers; every step is a pure function of the document and is tested with data in and data out. What a client needs
//! whatever version it speaks is in a file of its name.

pub(crate) mod docker_py;
mod v1_41;
mod v1_42;
mod v1_43;
mod v1_44;
mod v1_45;
mod v1_46;
mod v1_47;
mod v1_48;
mod v1_49;
mod v1_50;
mod v1_52;
mod v1_53;

use bytes::Bytes;
use gantry_api::container::CreateRequest;
use gantry_api::exec::{ExecCreateRequest, ExecStartRequest};
use gantry_api::system::DiskUsage;
use gantry_engine::container::{CreateQuery, StopOptions};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::hijack::{MULTIPLEXED_STREAM, RAW_STREAM};
use crate::reply::{self, Reply};
use crate::version::ApiVersion;

/// What one version changed in an answer: the version that brought it, and how to undo it.
type Step = (ApiVersion, fn(&mut Value));

/// Steps newest first.
type Steps = &'static [Step];

pub(crate) const CONTAINER_INSPECT: Steps = &[
    (ApiVersion::one(52), v1_52::container_inspect),
    (ApiVersion::one(45), v1_45::container_inspect),
];

pub(crate) const CONTAINER_LIST: Steps =
    &[(ApiVersion::one(52), v1_52::container_list), (ApiVersion::one(46), v1_46::container_list)];

pub(crate) const CONTAINER_STATS: Steps = &[(ApiVersion::one(52), v1_52::container_stats)];

pub(crate) const DISK_USAGE: Steps = &[
    (ApiVersion::one(52), v1_52::disk_usage),
    (ApiVersion::one(52), v1_52::disk_usage_containers),
    (ApiVersion::one(46), v1_46::disk_usage),
    (ApiVersion::one(44), v1_44::disk_usage),
    (ApiVersion::one(43), v1_43::disk_usage),
    (ApiVersion::one(42), v1_42::disk_usage),
];

pub(crate) const IMAGE_INSPECT: Steps = &[
    (ApiVersion::one(53), v1_53::image_inspect),
    (ApiVersion::one(52), v1_52::image_inspect),
    (ApiVersion::one(50), v1_50::image_inspect),
    (ApiVersion::one(48), v1_48::image_inspect),
    (ApiVersion::one(45), v1_45::image_inspect),
    (ApiVersion::one(44), v1_44::image_inspect),
];

pub(crate) const IMAGE_LIST: Steps = &[
    (ApiVersion::one(48), v1_48::image_list),
    (ApiVersion::one(47), v1_47::image_list),
    (ApiVersion::one(44), v1_44::image_list),
    (ApiVersion::one(43), v1_43::image_list),
];

pub(crate) const INFO: Steps =
    &[(ApiVersion::one(50), v1_50::info), (ApiVersion::one(49), v1_49::info)];

pub(crate) const NETWORK_INSPECT: Steps = &[(ApiVersion::one(52), v1_52::network_inspect)];

/// A document as this version's clients know it.
pub(crate) fn answer<T: Serialize + ?Sized>(
    version: ApiVersion,
    steps: Steps,
    document: &T,
) -> Result<Reply, Error> {
    Ok(reply::json_bytes(StatusCode::OK, self::document(version, steps, document)?))
}

/// The same, as its bytes.
pub(crate) fn document<T: Serialize + ?Sized>(
    version: ApiVersion,
    steps: Steps,
    document: &T,
) -> Result<Bytes, Error> {
    if steps.first().is_none_or(|(changed, _)| version >= *changed) {
        return reply::json_line(document);
    }
    let mut value = serde_json::to_value(document).map_err(|source| Error::Answer { source })?;
    downgrade(version, steps, &mut value);
    reply::json_line(&value)
}

fn downgrade(version: ApiVersion, steps: Steps, value: &mut Value) {
    for (changed, undo) in steps {
        if version < *changed {
            undo(value);
        }
    }
}

/// A create as the newest version means it and what to warn of, or why this version's clients cannot ask for that.
pub(crate) fn upgrade_create(
    version: ApiVersion,
    query: &mut CreateQuery,
    request: &mut CreateRequest,
) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    if version < ApiVersion::one(41) {
        v1_41::create(query);
    }
    if version < ApiVersion::one(42) {
        v1_42::create(request);
    }
    if version < ApiVersion::one(43) {
        v1_43::create(request);
    }
    if version < ApiVersion::one(44) {
        v1_44::create(request)?;
    }
    if version < ApiVersion::one(45) {
        v1_45::create(request)?;
    }
    if version < ApiVersion::one(48) {
        warnings.extend(v1_48::create(request)?);
    } else {
        warnings.extend(v1_48::ignored_volume_driver(request));
    }
    if version < ApiVersion::one(52) {
        warnings.extend(v1_52::create(request)?);
    }
    Ok(warnings)
}

/// The key of the endpoint in the network of the container's mode; some modes leave no room for one.
fn first_network(request: &mut CreateRequest) -> Option<String> {
    let mode = &mut request.host_config.network_mode;
    if mode.is_empty() {
        // So that the key can be the mode.
        "default".clone_into(mode);
    }
    match mode.as_str() {
        "none" | "host" => None,
        mode if mode.starts_with("container:") => None,
        "default" if request.networking_config.endpoints_config.contains_key("bridge") => {
            Some("bridge".to_owned())
        }
        mode => Some(mode.to_owned()),
    }
}

/// A stop or restart as the newest version means it.
pub(crate) fn upgrade_stop(version: ApiVersion, options: &mut StopOptions) {
    if version < ApiVersion::one(42) {
        v1_42::stop(options);
    }
}

/// Whether the rows of images count their containers: since 1.51.
pub(crate) fn counts_containers(version: ApiVersion) -> bool {
    version >= ApiVersion::one(51)
}

/// A disk usage. `verbose` is what the client said of the single objects; who says nothing gets the old document beside
/// the sums of the new one, as with Docker.
pub(crate) fn disk_usage(
    version: ApiVersion,
    verbose: Option<bool>,
    usage: &DiskUsage,
) -> Result<Reply, Error> {
    if version < ApiVersion::one(52) || verbose == Some(true) {
        return answer(version, DISK_USAGE, usage);
    }
    let mut value = serde_json::to_value(usage).map_err(|source| Error::Answer { source })?;
    let mut old = value.clone();
    v1_52::forget_items(&mut value);
    if verbose.is_none() {
        v1_52::disk_usage(&mut old);
        for (key, part) in old.as_object_mut().into_iter().flatten().filter(|(_, it)| !it.is_null())
        {
            value[key] = part.take();
        }
    }
    reply::json(StatusCode::OK, &value)
}

/// The kinds of a disk usage as the newest version means them.
pub(crate) fn upgrade_df(version: ApiVersion, kinds: Vec<String>) -> Vec<String> {
    if version < ApiVersion::one(42) { Vec::new() } else { kinds }
}

/// An exec create as the newest version means it.
pub(crate) fn upgrade_exec_create(version: ApiVersion, request: &mut ExecCreateRequest) {
    if version < ApiVersion::one(42) {
        v1_42::exec_create(request);
    }
}

/// An exec start as the newest version means it.
pub(crate) fn upgrade_exec_start(version: ApiVersion, request: &mut ExecStartRequest) {
    if version < ApiVersion::one(42) {
        v1_42::exec_start(request);
    }
}

/// An event as this version's clients know it.
pub(crate) fn event(version: ApiVersion, event: &mut Value) {
    if version < ApiVersion::one(52) {
        v1_52::event(event);
    }
}

/// The type of a stream of events, of those that the client says it accepts.
pub(crate) fn events_type(version: ApiVersion, accepts: &str) -> &'static str {
    if version < ApiVersion::one(52) {
        return "application/json";
    }
    let known = ["application/x-ndjson", "application/jsonl", "application/json-seq"];
    known.into_iter().find(|known| accepts.contains(known)).unwrap_or(known[0])
}

/// The type of a stream of output.
pub(crate) fn stream_type(version: ApiVersion, tty: bool) -> &'static str {
    if tty || version < ApiVersion::one(42) { RAW_STREAM } else { MULTIPLEXED_STREAM }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

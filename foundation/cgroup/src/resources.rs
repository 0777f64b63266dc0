//! From the specification's limits to files and values: one module for each controller, all pure.

pub(crate) mod block_io;
pub(crate) mod cpu;
pub(crate) mod hugetlb;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pids;
pub(crate) mod rdma;
pub(crate) mod unified;

#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::hierarchy::Version;

/// What v1 calls -1, v2 calls `max`.
fn limit_text(limit: i64, version: Version) -> String {
    match version {
        Version::V2 if limit < 0 => "max".to_owned(),
        _ => limit.to_string(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, as they are")]
fn bad_value(setting: &str, value: impl ToString, reason: impl Into<String>) -> Error {
    Error::BadValue { setting: setting.to_owned(), value: value.to_string(), reason: reason.into() }
}

/// Refuses what would reach beyond one line, or one file of the cgroup.
fn checked_name<'a>(setting: &str, name: &'a str) -> Result<&'a str, Error> {
    let is_plain = !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte));
    if is_plain {
        Ok(name)
    } else {
        Err(bad_value(setting, format!("{name:?}"), "is not a plain name"))
    }
}

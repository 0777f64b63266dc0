//! `pids`.

use gantry_oci::runtime::Pids;

use crate::setting::Setting;

/// Zero is a limit: the container's first process runs, and cannot make another. Negative is none.
pub(crate) fn settings(pids: Pids) -> Vec<Setting> {
    let setting = |limit: i64| {
        let text = if limit < 0 { "max".to_owned() } else { limit.to_string() };
        Setting::new("pids.limit", "pids.max", text).no_limit_if(limit < 0)
    };
    pids.limit.map(setting).into_iter().collect()
}

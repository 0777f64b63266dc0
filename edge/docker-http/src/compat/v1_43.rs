//! What 1.43 brought: annotations, and images without names that have no names.

use gantry_api::container::CreateRequest;
use serde_json::{Value, json};

pub(super) fn create(request: &mut CreateRequest) {
    request.host_config.annotations.clear();
}

/// Images without a name used to have one that says so.
pub(super) fn image_list(rows: &mut Value) {
    for row in rows.as_array_mut().into_iter().flatten() {
        if row["RepoTags"] == json!([]) && row["RepoDigests"] == json!([]) {
            row["RepoTags"] = json!(["<none>:<none>"]);
            row["RepoDigests"] = json!(["<none>@<none>"]);
        }
    }
}

pub(super) fn disk_usage(usage: &mut Value) {
    image_list(&mut usage["Images"]);
}

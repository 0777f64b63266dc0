//! What 1.46 brought: annotations in the list of containers.

use serde_json::Value;

pub(super) fn container_list(rows: &mut Value) {
    for row in rows.as_array_mut().into_iter().flatten() {
        if let Some(host_config) = row["HostConfig"].as_object_mut() {
            host_config.remove("Annotations");
        }
    }
}

pub(super) fn disk_usage(usage: &mut Value) {
    container_list(&mut usage["Containers"]);
}

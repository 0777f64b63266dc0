//! What 1.49 took away: expected commits, and registries that may be given layers nobody may distribute. It brought what
//! makes the rules of the networks.

use serde_json::{Value, json};

pub(super) fn info(info: &mut Value) {
    if let Some(fields) = info.as_object_mut() {
        fields.remove("FirewallBackend");
    }
    info["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"] = json!([]);
    info["RegistryConfig"]["AllowNondistributableArtifactsHostnames"] = json!([]);
    for commit in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
        info[commit]["Expected"] = info[commit]["ID"].clone();
    }
}

//! What 1.49 took away: expected commits, and registries that may be given layers nobody may distribute.

use serde_json::{Value, json};

pub(super) fn info(info: &mut Value) {
    info["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"] = json!([]);
    info["RegistryConfig"]["AllowNondistributableArtifactsHostnames"] = json!([]);
    for commit in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
        info[commit]["Expected"] = info[commit]["ID"].clone();
    }
}

//! What 1.47 brought: what of an image is here for which platform.

use serde_json::Value;

pub(super) fn image_list(rows: &mut Value) {
    for row in rows.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        row.remove("Manifests");
    }
}

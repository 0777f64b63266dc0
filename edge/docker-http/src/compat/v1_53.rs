//! What 1.53 brought: where an image comes from.

use serde_json::Value;

pub(super) fn image_inspect(image: &mut Value) {
    if let Some(image) = image.as_object_mut() {
        image.remove("Identity");
    }
}

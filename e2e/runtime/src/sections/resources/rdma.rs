//! config-linux.md, "RDMA".

use serde_json::json;

use crate::case::{Section, must};

pub(in crate::sections) fn section() -> Section {
    let cases = vec![must(
        "unknown-device",
        "A limit for an adapter that is not there makes an error.",
        |stage| {
            let limits =
                json!({"rdma": {"no_such_adapter": {"hcaHandles": 3, "hcaObjects": 10_000}}});
            stage.set("/linux/resources", limits).refused();
        },
    )];
    Section::new("config-linux.md", "RDMA", cases)
}

//! config-linux.md, "Intel RDT". Machines with the hardware are rare; what holds without it is shown.

use serde_json::json;

use crate::case::{Section, must};
use crate::machine::Need;

pub(super) fn section() -> Section {
    let lacking = Need::NoPath("/sys/fs/resctrl/schemata");
    let cases = vec![
        must("lacking", "Without a mounted resctrl, intelRdt makes an error.", |stage| {
            stage
                .set("/linux/intelRdt", json!({"closID": "a", "l3CacheSchema": "L3:0=f"}))
                .refused();
        })
        .needs(lacking),
        must("lacking-empty", "That holds when the object names nothing.", |stage| {
            stage.set("/linux/intelRdt", json!({})).refused();
        })
        .needs(lacking),
        must("lacking-schemata", "That holds for schemata, too.", |stage| {
            stage.set("/linux/intelRdt", json!({"schemata": ["MB:0=20"]})).refused();
        })
        .since(3)
        .needs(lacking),
    ];
    Section::new("config-linux.md", "IntelRdt", cases)
}

//! config-linux.md, "Block IO".

use serde_json::{Value, json};

use super::limit;
use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::Stage;

/// The field, v1's file, and the key in v2's io.max.
const THROTTLES: [(&str, &str, &str); 4] = [
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
];

pub(in crate::sections) fn section() -> Section {
    let mut cases: Vec<Case> =
        THROTTLES.map(|(field, file, key)| throttle(field, file, key)).into();
    let weight: fn() -> Value = || json!({"blockIO": {"weight": 300}});
    cases.extend([
        limit("weight", "weight is that of the cgroup on all disks.", weight, Some(("blkio.bfq.weight", "300")), None),
        must("unknown-device", "A limit for a disk that is not there makes an error.", |stage| {
            let limits = json!({"blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 250, "rate": 1000}]}});
            stage.set("/linux/resources", limits).refused();
        })
        .needs(Need::Disk),
        must("all-throttles", "All four limits of one disk hold together.", |stage| {
            let (major, minor) = stage.machine().disk();
            for (number, (field, _, _)) in (1_000_000..).zip(THROTTLES) {
                let entry = json!([{"major": major, "minor": minor, "rate": number}]);
                stage.set(&format!("/linux/resources/blockIO/{field}"), entry);
            }
            stage.create();
            for (number, (_, file, key)) in (1_000_000..).zip(THROTTLES) {
                assert_shown(stage, file, key, number);
            }
        })
        .needs(Need::Disk),
    ]);
    Section::new("config-linux.md", "Block IO", cases)
}

fn throttle(field: &'static str, file: &'static str, key: &'static str) -> Case {
    must(field, format!("{field} limits that disk."), move |stage: &mut Stage| {
        let (major, minor) = stage.machine().disk();
        let entry = json!([{"major": major, "minor": minor, "rate": 1_048_576}]);
        stage.set(&format!("/linux/resources/blockIO/{field}"), entry);
        stage.create();
        assert_shown(stage, file, key, 1_048_576);
    })
    .needs(Need::Disk)
}

fn assert_shown(stage: &mut Stage, file: &str, key: &str, rate: u64) {
    let (major, minor) = stage.machine().disk();
    if stage.machine().is_pure_v2() {
        let shown = stage.cgroup_file("io.max");
        assert!(shown.starts_with(&format!("{major}:{minor} ")), "{shown}");
        assert!(shown.contains(&format!("{key}={rate}")), "{shown}");
    } else {
        assert_eq!(stage.cgroup_file(file), format!("{major}:{minor} {rate}"));
    }
}

//! Which device nodes a container may use: Docker's fixed list, then what was asked for.

use gantry_api::container::HostConfig;
use gantry_oci::runtime::{Device, DeviceRule};

use super::super::checks;

/// Character devices that every container may read, write and make; `None` is any number.
const ALLOWED: [(Option<i64>, Option<i64>, &str); 10] = [
    (None, None, "m"), // mknod of anything: useless without the right to open it
    (Some(1), Some(3), "rwm"), // null
    (Some(1), Some(5), "rwm"), // zero
    (Some(1), Some(7), "rwm"), // full
    (Some(1), Some(8), "rwm"), // random
    (Some(1), Some(9), "rwm"), // urandom
    (Some(5), Some(0), "rwm"), // tty
    (Some(5), Some(1), "rwm"), // console
    (Some(5), Some(2), "rwm"), // ptmx
    (Some(136), None, "rwm"), // pts
];

/// The cgroup's rules: everything for a privileged container, else the list above, the container's own devices, and
/// what was asked for by numbers.
pub(super) fn rules(host: &HostConfig, devices: &[(Device, DeviceRule)]) -> Vec<DeviceRule> {
    let rule = |allow, kind: &str, major, minor, access: &str| DeviceRule {
        allow,
        kind: kind.to_owned(),
        major,
        minor,
        access: access.to_owned(),
    };
    if host.privileged {
        return vec![rule(true, "a", None, None, "rwm")];
    }
    let mut rules = vec![rule(false, "a", None, None, "rwm"), rule(true, "b", None, None, "m")];
    rules.extend(ALLOWED.map(|(major, minor, access)| rule(true, "c", major, minor, access)));
    rules.extend(devices.iter().map(|(_, rule)| rule.clone()));
    // They were checked when the container was made.
    rules.extend(host.device_cgroup_rules.iter().flat_map(|text| checks::device_rule(text)));
    rules
}

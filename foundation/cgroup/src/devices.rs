//! Which devices a container may use: v1's list, or a program on v2.

mod program;
mod rule;
mod v1;

use gantry_oci::runtime::DeviceRule;

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::hierarchy::Version;
use rule::Rule;

/// Puts the rules in force, each stronger than those before it, on the ground that everything is denied. Those devices that
/// every container has come last, so that no rule takes them away.
pub(crate) fn apply(cgroup: &Cgroup, rules: &[DeviceRule]) -> Result<(), Error> {
    let mut all = Vec::with_capacity(rules.len() + rule::DEFAULTS.len());
    for rule in rules {
        all.push(Rule::parse(rule)?);
    }
    all.extend_from_slice(rule::DEFAULTS);
    let v1 = cgroup.members.iter().find(|member| {
        member.hierarchy.version() == Version::V1 && member.hierarchy.holds("devices")
    });
    if let Some(member) = v1 {
        return v1::apply(&member.directory, &all);
    }
    match cgroup.unified() {
        Some(member) => program::apply(&member.directory, &all),
        None => Err(Error::NoController { setting: "devices".to_owned(), controller: "devices" }),
    }
}

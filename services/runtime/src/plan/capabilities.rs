//! Names of capabilities, and the five sets of a process.

use std::collections::BTreeSet;

use gantry_oci::runtime::{CAPABILITIES, LinuxCapabilities};
use rustix::thread::{CapabilitySet, capabilities};

/// The five sets. Names that this kernel interface does not know are left out, as the specification wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CapabilityPlan {
    pub bounding: CapabilitySet,
    pub effective: CapabilitySet,
    pub inheritable: CapabilitySet,
    pub permitted: CapabilitySet,
    pub ambient: CapabilitySet,
}

impl CapabilityPlan {
    pub(crate) fn new(names: &LinuxCapabilities) -> Self {
        Self {
            bounding: set(&names.bounding),
            effective: set(&names.effective),
            inheritable: set(&names.inheritable),
            permitted: set(&names.permitted),
            ambient: set(&names.ambient),
        }
    }
}

/// The names of all capabilities, in the order of the kernel's numbers.
pub(crate) fn names() -> &'static [&'static str] {
    &CAPABILITIES
}

/// A sentence for each capability that a process will not have although its document names it: a name that nobody knows, or a
/// capability that the calling process does not hold itself and, without a user namespace to make it in, cannot give.
pub fn capability_warnings(names: &LinuxCapabilities, has_user_namespace: bool) -> Vec<String> {
    let sets =
        [&names.bounding, &names.effective, &names.inheritable, &names.permitted, &names.ambient];
    let own = capabilities(None).map_or(CapabilitySet::all(), |own| own.permitted);
    let mut seen = BTreeSet::new();
    let each = sets.into_iter().flatten().filter(|name| seen.insert(name.as_str()));
    each.filter_map(|name| match number(name) {
        None => Some(format!("capability {name:?} is unknown and left out")),
        Some(number) if !has_user_namespace && own.bits() & 1 << number == 0 => {
            Some(format!("capability {name} cannot be granted here and is left out"))
        }
        Some(_) => None,
    })
    .collect()
}

fn set(names: &[String]) -> CapabilitySet {
    names.iter().filter_map(|name| number(name)).fold(CapabilitySet::empty(), |set, number| {
        set | CapabilitySet::from_bits_retain(1 << number)
    })
}

fn number(name: &str) -> Option<usize> {
    CAPABILITIES.iter().position(|known| known.eq_ignore_ascii_case(name))
}

//! Names of capabilities, and the five sets of a process.

use gantry_oci::runtime::{CAPABILITIES, LinuxCapabilities};
use rustix::thread::CapabilitySet;

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
pub fn names() -> &'static [&'static str] {
    &CAPABILITIES
}

fn set(names: &[String]) -> CapabilitySet {
    names.iter().filter_map(|name| number(name)).fold(CapabilitySet::empty(), |set, number| {
        set | CapabilitySet::from_bits_retain(1 << number)
    })
}

fn number(name: &str) -> Option<usize> {
    CAPABILITIES.iter().position(|known| known.eq_ignore_ascii_case(name))
}

//! The programs that were compiled with this crate, and how a profile is recognised as one of theirs.

use crate::architecture::Machine;
use crate::default_profile::{self, USUAL_CAPABILITIES};
use crate::instruction::Instruction;
use crate::rule::Profile;

include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// The ready program for `profile`, if it says exactly what a default profile says, in the same order.
pub(crate) fn find(profile: &Profile<'_>) -> Option<&'static [Instruction]> {
    if profile.machine != Machine::NATIVE {
        return None;
    }
    let index = USUAL_CAPABILITIES.iter().position(|capabilities| {
        *profile == default_profile::profile(Machine::NATIVE, capabilities)
    })?;
    PROGRAMS.get(index).copied()
}

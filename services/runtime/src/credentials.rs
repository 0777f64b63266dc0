//! Ids and capabilities of the calling thread, in an order that never leaves it with more than it is meant to have, nor too early with less.

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::failure::{During, Failure};
use crate::identity::Identity;
use crate::plan::CapabilityPlan;

/// Takes on the ids. All permitted capabilities stay, and are effective, for the steps that still need them.
pub(crate) fn take_identity(identity: &Identity, plan: &CapabilityPlan) -> Result<(), Failure> {
    // Only root may do this, so it comes first.
    drop_bounding(plan.bounding)?;
    set_keep_capabilities(true).during("keep capabilities over the change of user")?;
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    match set_thread_groups(&groups) {
        // A user namespace may forbid it; without groups to set there is nothing lost.
        Err(Errno::PERM) if groups.is_empty() => {}
        result => result.during_with(|| {
            format!(
                "set the groups {:?} (the user namespace must map and allow them)",
                identity.groups
            )
        })?,
    }
    let gid = Gid::from_raw(identity.gid);
    set_thread_res_gid(gid, gid, gid).map_err(|error| cannot_be("gid", identity.gid, error))?;
    let uid = Uid::from_raw(identity.uid);
    set_thread_res_uid(uid, uid, uid).map_err(|error| cannot_be("uid", identity.uid, error))?;
    set_keep_capabilities(false).during("stop keeping capabilities")?;
    let now = capabilities(None).during("read capabilities")?;
    set_capabilities(None, CapabilitySets { effective: now.permitted, ..now })
        .during("make capabilities effective")
}

fn cannot_be(kind: &str, id: u32, error: Errno) -> Failure {
    // The kernel's word for an id that it cannot translate.
    let hint = if error == Errno::INVAL {
        ", which is not mapped in the container's user namespace"
    } else {
        ""
    };
    Failure::io(format!("set the {kind} {id}{hint}"), &error.into())
}

/// Gives up everything that is not in the plan. What cannot be granted is left out, as the specification wants.
pub(crate) fn take_capabilities(plan: &CapabilityPlan) -> Result<(), Failure> {
    let available = capabilities(None).during("read capabilities")?.permitted;
    let permitted = plan.permitted & available;
    let inheritable = plan.inheritable & available;
    clear_ambient_capability_set().during("clear the ambient capabilities")?;
    let sets = CapabilitySets { effective: plan.effective & permitted, permitted, inheritable };
    set_capabilities(None, sets).during("set capabilities")?;
    for capability in each(plan.ambient & permitted & inheritable) {
        configure_capability_in_ambient_set(capability, true)
            .during("set the ambient capabilities")?;
    }
    Ok(())
}

fn drop_bounding(keep: CapabilitySet) -> Result<(), Failure> {
    for capability in each(!keep) {
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Past the last one that the kernel knows.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error).during("shrink the bounding set of capabilities"),
        }
    }
    Ok(())
}

fn each(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS)
        .map(|number| CapabilitySet::from_bits_retain(1 << number))
        .filter(move |capability| set.contains(*capability))
}

//! A container whose writable layer has a size keeps its files in the project that is limited: the system call filter
//! refuses what would move them out of it (the owner of a file may do that, unless a user namespace forbids it).

use gantry_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompSyscall};

/// `FS_IOC_FSSETXATTR`, `FS_IOC_SETFLAGS`, and what 32-bit programs call the latter: each changes the project of a file, or whether
/// a directory hands its own on.
const REFUSED: [u32; 3] = [0x401c_5820, 0x4008_6602, 0x4004_6602];
/// Of `ioctl`: the request.
const REQUEST: u32 = 1;

/// Changes a profile so that these requests fall to its default action, as all do that nothing allows.
pub(super) fn keep(profile: &mut Seccomp) {
    let is_whole = |rule: &SeccompSyscall| {
        rule.action == SeccompAction::Allow
            && rule.args.is_empty()
            && rule.names.iter().any(|name| name == "ioctl")
    };
    if !profile.syscalls.iter().any(is_whole) {
        return;
    }
    for rule in profile.syscalls.iter_mut().filter(|rule| is_whole(rule)) {
        rule.names.retain(|name| name != "ioctl");
    }
    profile.syscalls.retain(|rule| !rule.names.is_empty());
    // The kernel reads the lower half of the register, so that what is above counts for nothing.
    profile.syscalls.extend(others().into_iter().map(|(mask, value)| SeccompSyscall {
        names: vec!["ioctl".to_owned()],
        action: SeccompAction::Allow,
        errno_ret: None,
        args: vec![SeccompArg {
            index: REQUEST,
            value: mask.into(),
            value_two: value.into(),
            op: SeccompOperator::MaskedEqual,
        }],
    }));
}

/// Masks and values that together hold every number but the refused: where a number leaves the way that leads to these.
fn others() -> Vec<(u32, u32)> {
    let mut cubes = Vec::new();
    for bit in (0..u32::BITS).rev() {
        let mask = u32::MAX << bit;
        for refused in REFUSED {
            let cube = (mask, (refused ^ (1 << bit)) & mask);
            let leads_there = REFUSED.iter().any(|other| other & mask == cube.1);
            if !leads_there && !cubes.contains(&cube) {
                cubes.push(cube);
            }
        }
    }
    cubes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_request_is_allowed() {
        let cubes = others();
        let allowed = |request: u32| cubes.iter().any(|(mask, value)| request & mask == *value);
        assert!(REFUSED.iter().all(|request| !allowed(*request)));
        // Whatever differs in one bit from what is refused, and usual ones.
        let near = REFUSED.iter().flat_map(|request| (0..32).map(move |bit| request ^ (1 << bit)));
        assert!(near.filter(|request| !REFUSED.contains(request)).all(allowed));
        assert!([0, 0x5401, 0x5413, 0x8008_6601, u32::MAX].into_iter().all(allowed));
    }

    #[test]
    fn the_default_profile_compiles_without_them() {
        let mut profile = gantry_seccomp::default_profile::<&str>(&[]);
        keep(&mut profile);
        assert!(gantry_seccomp::compile(&profile).is_ok());
        let whole = |rule: &SeccompSyscall| {
            rule.args.is_empty() && rule.names.iter().any(|name| name == "ioctl")
        };
        assert!(!profile.syscalls.iter().any(whole));
    }

    #[test]
    fn a_profile_that_lets_everything_through_stays() {
        let mut profile = gantry_seccomp::default_profile::<&str>(&[]);
        profile.default_action = SeccompAction::Allow;
        profile.syscalls.clear();
        keep(&mut profile);
        assert!(profile.syscalls.is_empty());
    }
}

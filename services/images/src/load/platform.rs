//! Which of several platforms is ours.

use gantry_oci::image::{Descriptor, Platform, annotation};

/// This machine, in Go's names.
pub fn host_platform() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", None),
        "x86" => ("386", None),
        "aarch64" => ("arm64", Some("v8")),
        "arm" => ("arm", Some("v7")),
        "powerpc64" => ("ppc64le", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        variant: variant.map(str::to_owned),
        ..Platform::default()
    }
}

/// Whether an entry of an index says something about an image instead of being one.
pub(crate) fn is_attestation(descriptor: &Descriptor) -> bool {
    let unknown =
        |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
    descriptor.annotations.contains_key(annotation::DOCKER_REFERENCE_TYPE)
        || descriptor.platform.as_ref().is_some_and(unknown)
}

/// How well something for `platform` fits this machine: less is better, nothing is not at all.
pub(crate) fn rank(platform: &Platform, host: &Platform) -> Option<u8> {
    if platform.os != host.os || platform.architecture != host.architecture {
        return None;
    }
    Some(match (platform.variant.as_deref(), host.variant.as_deref()) {
        (offered, ours) if offered == ours => 0,
        (None | Some(""), _) => 1,
        // Micro-architecture levels (amd64/v3) may need what this processor lacks.
        (Some(_), None) => 4,
        (Some(_), Some(_)) => 2,
    })
}

/// The entry for this machine: the one with our variant, or else with none, or else any variant of
/// our processor; or else one that does not say what it is for.
pub(crate) fn choose<'a>(candidates: &[&'a Descriptor], host: &Platform) -> Option<&'a Descriptor> {
    let rank = |descriptor: &Descriptor| match &descriptor.platform {
        None => Some(3),
        Some(platform) => rank(platform, host),
    };
    let ranked = candidates.iter().filter_map(|candidate| Some((rank(candidate)?, *candidate)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, descriptor)| descriptor)
}

#[cfg(test)]
mod tests;

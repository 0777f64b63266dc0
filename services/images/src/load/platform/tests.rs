//! Which entry of an index is taken on which machine.

use super::*;

fn platform(text: &str) -> Platform {
    let mut parts = text.split('/').map(str::to_owned);
    Platform {
        os: parts.next().unwrap_or_default(),
        architecture: parts.next().unwrap_or_default(),
        variant: parts.next(),
        ..Platform::default()
    }
}

fn chosen<'a>(host: &str, offered: &[&'a str]) -> Option<&'a str> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let descriptors: Vec<Descriptor> = (0..)
        .zip(offered)
        .map(|(position, text)| {
            let platform = (!text.is_empty()).then(|| platform(text));
            Descriptor { platform, ..Descriptor::new("", digest.parse().unwrap(), position) }
        })
        .collect();
    let candidates: Vec<&Descriptor> = descriptors.iter().collect();
    let chosen = choose(&candidates, &platform(host))?;
    Some(offered[usize::try_from(chosen.size).unwrap()])
}

#[test]
fn the_best_match_is_taken() {
    let amd = "linux/amd64";
    assert_eq!(chosen(amd, &["linux/arm64", "linux/amd64"]), Some("linux/amd64"));
    assert_eq!(chosen(amd, &["linux/amd64/v3", "linux/amd64"]), Some("linux/amd64"));
    assert_eq!(chosen(amd, &["windows/amd64", ""]), Some(""));
    assert_eq!(chosen(amd, &["", "linux/amd64"]), Some("linux/amd64"));
    assert_eq!(chosen(amd, &["linux/arm64", "windows/amd64"]), None);
    assert_eq!(chosen(amd, &[]), None);
    let arm = "linux/arm/v7";
    assert_eq!(chosen(arm, &["linux/arm/v6", "linux/arm/v7"]), Some("linux/arm/v7"));
    assert_eq!(chosen(arm, &["linux/arm/v6", "linux/arm64"]), Some("linux/arm/v6"));
}

#[test]
fn attestations_are_no_images() {
    let digest: gantry_types::Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let mut descriptor = Descriptor::new("", digest, 1);
    assert!(!is_attestation(&descriptor));
    descriptor.platform = Some(platform("unknown/unknown"));
    assert!(is_attestation(&descriptor));
    descriptor.platform = None;
    let kind = annotation::DOCKER_REFERENCE_TYPE.to_owned();
    descriptor.annotations.insert(kind, "attestation-manifest".to_owned());
    assert!(is_attestation(&descriptor));
}

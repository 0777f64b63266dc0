//! What a registry answers when it is asked for an image: a manifest or an index, under a media type that says anything.

use gantry_images::Step;
use gantry_oci::image::Platform;

const KINDS: [&str; 8] = [
    "",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/json",
    "text/html",
];

/// The first byte chooses the media type and whether a platform is asked for; the rest is the document.
pub fn run(data: &[u8]) {
    let Some((choice, document)) = data.split_first() else { return };
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    let arm = Platform {
        os: "linux".to_owned(),
        architecture: "arm64".to_owned(),
        variant: Some("v8".to_owned()),
        ..Platform::default()
    };
    let wanted = (choice & 0x80 != 0).then_some(&arm);
    match Step::read(kind, document, "registry.example/fuzz:1", wanted) {
        Ok(Step::Descend(next)) => {
            // Its digest becomes an address, its size a limit.
            assert!(!next.digest.to_string().contains('/'));
            let again = Step::read(kind, document, "registry.example/fuzz:1", wanted);
            assert_eq!(
                again.expect("the same document"),
                Step::Descend(next),
                "the choice is always the same"
            );
        }
        Ok(Step::Image(manifest)) => {
            let text = serde_json::to_vec(&*manifest).expect("what was read can be written");
            assert_eq!(
                serde_json::from_slice::<gantry_oci::image::Manifest>(&text).expect("our own text"),
                *manifest
            );
            for layer in &manifest.layers {
                assert!(!layer.digest.to_string().contains('/'));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

//! Saving while others change what is saved.

use gantry_images::{Error, Image};
use gantry_oci::image::media_type;

use crate::fixture::{LayoutFiles, Parts, docker_archive, gzip, named};
use crate::rig::Rig;

#[test]
fn an_image_that_comes_anew_is_saved_as_it_is_now() {
    let rig = Rig::new();
    let parts = Parts::new("web", 2);
    rig.add(&docker_archive(&[(&parts, &["web:1"])]));
    let before = rig.images().resolve("web:1").unwrap();
    // The same image with other blobs, as from a registry.
    let mut layout = LayoutFiles::new();
    let packed = layout.image(&parts, media_type::OCI_LAYER_GZIP, gzip);
    let anew = layout.finish(vec![named(packed.clone(), "web:1")]);
    let replaced = |all: Vec<Image>| {
        // Once it is known which image is meant.
        rig.add(&anew);
        Ok::<_, Error>(all)
    };
    let saving = rig.images().saving(&["web:1".to_owned()], replaced).unwrap();
    // Nobody has what was before.
    rig.images().empty_trash();
    let mut saved = Vec::new();
    saving.write(&mut saved).unwrap();
    let elsewhere = Rig::new();
    elsewhere.add(&saved);
    let after = elsewhere.images().resolve("web:1").unwrap();
    assert_eq!(after.id, before.id);
    assert_eq!(after.manifest.digest, packed.digest);
    assert_ne!(after.manifest.digest, before.manifest.digest);
}

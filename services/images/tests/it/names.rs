//! Names, ids and parts of ids lead to images; what does not is said in Docker's words.

use std::slice;
use std::sync::Arc;

use gantry_images::{Error, Image, ImageId, RemoveOptions};
use gantry_types::{ErrorKind, ImageReference};

use crate::fixture::{Parts, docker_archive};
use crate::rig::Rig;

fn reference(text: &str) -> ImageReference {
    text.parse().unwrap()
}

#[test]
fn every_way_of_writing_leads_to_the_image() {
    let rig = Rig::new();
    let parts = Parts::new("web", 1);
    rig.add(&docker_archive(&[(&parts, &["web", "reg:5000/team/web:2"])]));
    let (id, hex) = (parts.id(), parts.id()["sha256:".len()..].to_owned());
    for text in [
        "web",
        "web:latest",
        "docker.io/library/web",
        "library/web:latest",
        "reg:5000/team/web:2",
        &id,
        &hex,
        &hex[..12],
        &hex[..1],
        &id["".len().."sha256:".len() + 5],
    ] {
        let image = rig.images().resolve(text).unwrap();
        assert_eq!(image.id.as_str(), id, "{text}");
        assert_eq!(image.repo_tags(), ["web:latest", "reg:5000/team/web:2"], "{text}");
        assert_eq!(image.size_bytes, 1234);
        assert_eq!(image.created().unwrap().to_string(), "2024-02-29T12:34:56Z");
        assert_eq!(image.config.config.cmd.as_deref(), Some(&["web".to_owned()][..]));
    }
}

#[test]
fn what_leads_nowhere_is_said() {
    let rig = Rig::new();
    let zeros = "0".repeat(64);
    let cases = [
        ("web", "No such image: web:latest"),
        ("web:1", "No such image: web:1"),
        ("docker.io/library/web", "No such image: web:latest"),
        ("reg:5000/web", "No such image: reg:5000/web:latest"),
        (&zeros, &format!("No such image: sha256:{zeros}")),
        ("abc123", "No such image: abc123:latest"),
        ("", "invalid reference format"),
        ("we b", "invalid reference format"),
        ("Web", "invalid reference format: repository name (library/Web) must be lowercase"),
        ("../../etc/passwd", "invalid reference format"),
    ];
    for (text, expected) in cases {
        let error = rig.images().resolve(text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
        let kind = match error {
            Error::NoSuchImage { .. } => ErrorKind::NotFound,
            _ => ErrorKind::InvalidParameter,
        };
        assert_eq!(error.kind(), kind, "{text:?}");
    }
}

#[test]
fn an_ambiguous_part_of_an_id_leads_nowhere() {
    let rig = Rig::new();
    // More images than hexadecimal digits: two of them start alike.
    let mut ids = Vec::new();
    for number in 0..17 {
        let parts = Parts::new(&format!("i{number}"), 0);
        rig.add(&docker_archive(&[(&parts, &[])]));
        ids.push(parts.id()["sha256:".len()..].to_owned());
    }
    ids.sort();
    let pair = ids.windows(2).find(|pair| pair[0][..1] == pair[1][..1]).unwrap();
    let error = rig.images().resolve(&pair[0][..1]).unwrap_err();
    assert!(matches!(error, Error::NoSuchImage { .. }), "{error}");
    rig.images().resolve(&pair[0][..32]).unwrap();
}

#[test]
fn a_name_goes_before_a_part_of_an_id() {
    let rig = Rig::new();
    let (first, second) = (Parts::new("first", 1), Parts::new("second", 1));
    rig.add(&docker_archive(&[(&first, &[]), (&second, &[])]));
    let prefix = &first.id()["sha256:".len()..][..8];
    let id: ImageId = second.id().parse().unwrap();
    let image = rig.images().get(&id).unwrap();
    rig.images().tag(&[image], &reference(prefix)).unwrap();
    assert_eq!(rig.images().resolve(prefix).unwrap().id, id);
}

#[test]
fn a_tag_moves_and_says_from_where() {
    let rig = Rig::new();
    let (first, second) = (Parts::new("first", 1), Parts::new("second", 1));
    let images = rig.add(&docker_archive(&[(&first, &["web"]), (&second, &[])]));
    let (first, second) = (&images[0].id, &images[1].id);
    let tag = |image, name| rig.images().tag(slice::from_ref(image), &reference(name)).unwrap();
    assert_eq!(tag(&images[0], "web:1"), None);
    assert_eq!(tag(&images[1], "web").as_ref(), Some(first));
    assert_eq!(tag(&images[1], "web"), None);
    assert_eq!(rig.images().get(first).unwrap().repo_tags(), ["web:1"]);
    assert_eq!(rig.images().resolve("web").unwrap().id, *second);
}

#[test]
fn tags_that_would_confuse_are_refused() {
    let rig = Rig::new();
    let image = rig.add(&docker_archive(&[(&Parts::new("web", 1), &["web"])])).remove(0);
    let digest = format!("web@sha256:{}", "0".repeat(64));
    let cases = [
        (digest.as_str(), "refusing to create a tag with a digest reference"),
        ("sha256:abc", "refusing to create an ambiguous tag using digest algorithm as name"),
    ];
    for (target, expected) in cases {
        let error = rig.images().tag(slice::from_ref(&image), &reference(target)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    }
    let unknown: ImageId = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let unknown = Image { id: unknown, ..image };
    let error = rig.images().tag(&[unknown], &reference("x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn loading_a_newer_image_of_a_name_leaves_the_old_one_dangling() {
    let rig = Rig::new();
    let old = rig.add(&docker_archive(&[(&Parts::new("old", 1), &["web"])])).remove(0);
    let loaded = rig.load(&docker_archive(&[(&Parts::new("new", 1), &["web"])])).unwrap();
    let recorded = rig.images().record(&loaded[0], 1).unwrap();
    assert_eq!(recorded.moved, [(reference("web"), old.id.clone())]);
    assert!(rig.images().get(&old.id).unwrap().is_dangling());
    assert_eq!(rig.images().list().unwrap().len(), 2);
    assert_eq!(rig.images().chains().unwrap().len(), 2);
}

#[test]
fn loading_an_image_again_keeps_its_names_and_takes_no_more_space() {
    let mut rig = Rig::new();
    let parts = Parts::new("web", 2);
    rig.add(&docker_archive(&[(&parts, &["web:1"])]));
    let files = rig.files();
    let image = rig.add(&docker_archive(&[(&parts, &["web:2"])])).remove(0);
    assert_eq!(image.repo_tags(), ["web:1", "web:2"]);
    assert_eq!(rig.files(), files);
    rig.reopen();
    assert_eq!(rig.images().resolve("web:1").unwrap(), image);
    assert_eq!(rig.files(), files);
}

#[test]
fn a_list_follows_every_change() {
    let rig = Rig::new();
    let names = || -> Vec<String> {
        let images = rig.images().list().unwrap();
        images.iter().flat_map(Image::repo_tags).collect()
    };
    let remove = |name| {
        rig.images().remove(name, RemoveOptions::default(), |_| Vec::new()).unwrap();
    };
    assert!(names().is_empty());
    let image = rig.add(&docker_archive(&[(&Parts::new("web", 1), &["web"])])).remove(0);
    assert_eq!(names(), ["web:latest"]);
    let (first, second) = (rig.images().list().unwrap(), rig.images().list().unwrap());
    assert!(Arc::ptr_eq(&first, &second), "nothing has changed in between");
    rig.images().tag(slice::from_ref(&image), &reference("other:1")).unwrap();
    assert_eq!(names(), ["other:1", "web:latest"]);
    let loaded = rig.load(&docker_archive(&[(&Parts::new("new", 1), &["other:1"])])).unwrap();
    rig.images().record(&loaded[0], 1).unwrap();
    assert_eq!(rig.images().list().unwrap().len(), 2);
    remove("other:1");
    assert_eq!(names(), ["web:latest"]);
    remove("web");
    assert!(names().is_empty());
}

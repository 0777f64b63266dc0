//! One image for several platforms: which of them a name means, what it takes along, and what goes with it.

use gantry_images::{Error, Image, RemoveOptions, Removed};
use gantry_oci::image::{Index, Platform, media_type};
use gantry_types::{ErrorKind, ImageReference};

use crate::fixture::{LayoutFiles, Parts, for_platform, host, named, other_platform};
use crate::rig::Rig;

const GENTLY: RemoveOptions = RemoveOptions { force: false };

/// An image that says in its configuration what it is for.
fn parts(name: &str, platform: &Platform) -> Parts {
    let mut parts = Parts::new(name, 1);
    parts.config["architecture"] = platform.architecture.clone().into();
    parts
}

/// An archive of `web:1` for this machine and for another, and both.
fn archive() -> (Vec<u8>, Parts, Parts) {
    let (ours, theirs) = (parts("ours", &host()), parts("theirs", &other_platform()));
    let mut layout = LayoutFiles::new();
    let other = for_platform(layout.plain_image(&theirs), other_platform());
    let mine = for_platform(layout.plain_image(&ours), host());
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![other, mine]));
    (layout.finish(vec![named(index, "web:1")]), ours, theirs)
}

/// A store with both.
fn rig() -> (Rig, Parts, Parts) {
    let (archive, ours, theirs) = archive();
    let rig = Rig::new();
    assert_eq!(rig.add(&archive).len(), 2);
    (rig, ours, theirs)
}

fn ids(images: &[Image]) -> Vec<String> {
    images.iter().map(|image| image.id.to_string()).collect()
}

#[track_caller]
fn check(rig: &Rig, name: &str, expected: &[&Parts]) {
    let all = rig.images().resolve_all(name).unwrap();
    let expected: Vec<String> = expected.iter().map(|parts| parts.id()).collect();
    assert_eq!(ids(&all), expected, "{name}");
    assert_eq!(rig.images().resolve(name).unwrap().id.to_string(), expected[0]);
    assert_eq!(rig.images().check().unwrap().faults, []);
}

fn users_none(_: &gantry_images::ImageId) -> Vec<gantry_images::ImageUser> {
    Vec::new()
}

#[test]
fn a_name_means_what_is_for_this_machine() {
    let (mut rig, ours, theirs) = rig();
    check(&rig, "web:1", &[&ours, &theirs]);
    rig.reopen();
    check(&rig, "web:1", &[&ours, &theirs]);
    check(&rig, &ours.id(), &[&ours, &theirs]);
    check(&rig, &theirs.id(), &[&theirs]);
    let listed = rig.images().list().unwrap();
    let siblings: Vec<bool> = listed.iter().map(Image::is_sibling).collect();
    assert_eq!(siblings.iter().filter(|is| **is).count(), 1);
    assert!(listed.iter().all(|image| !image.is_dangling()));
}

#[test]
fn the_order_in_which_they_come_says_nothing() {
    let (archive, ours, theirs) = archive();
    for first in [host(), other_platform()] {
        let rig = Rig::new();
        for wanted in [&first, &host(), &other_platform(), &first] {
            let loaded = rig.images().load_for(&archive[..], vec![wanted.clone()], |_| {}).unwrap();
            assert_eq!(loaded.len(), 1);
            rig.images().record(&loaded[0], 1).unwrap();
        }
        check(&rig, "web:1", &[&ours, &theirs]);
    }
}

#[test]
fn a_name_that_moves_to_another_index_keeps_nothing_of_the_one_before() {
    let (rig, ours, theirs) = rig();
    let mut layout = LayoutFiles::new();
    let mine = for_platform(layout.plain_image(&ours), host());
    let newer =
        for_platform(layout.plain_image(&parts("newer", &other_platform())), other_platform());
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![mine, newer]));
    let archive = layout.finish(vec![named(index, "web:1")]);
    let loaded = rig.images().load_for(&archive[..], vec![host()], |_| {}).unwrap();
    rig.images().record(&loaded[0], 1).unwrap();
    check(&rig, "web:1", &[&ours]);
    assert!(rig.images().resolve(&theirs.id()).unwrap().is_dangling());
}

#[test]
fn other_names_take_all_of_it() {
    let (rig, ours, theirs) = rig();
    let other: ImageReference = "other/name:2".parse().unwrap();
    rig.images().tag(&rig.images().resolve_all("web:1").unwrap(), &other).unwrap();
    check(&rig, "other/name:2", &[&ours, &theirs]);
    rig.images().remove("web:1", GENTLY, users_none).unwrap();
    check(&rig, "other/name:2", &[&ours, &theirs]);
    // A name that comes to lead elsewhere keeps nothing of what it led to.
    let alone = rig.add(&crate::fixture::docker_archive(&[(&Parts::new("alone", 1), &["a:1"])]));
    rig.images().tag(&alone, &other).unwrap();
    assert_eq!(rig.images().resolve_all("other/name:2").unwrap().len(), 1);
    assert!(rig.images().list().unwrap().iter().filter(|image| image.is_dangling()).count() == 2);
    assert_eq!(rig.images().check().unwrap().faults, []);
}

#[test]
fn the_last_name_takes_all_of_it_along() {
    let (rig, ours, theirs) = rig();
    let removed = rig.images().remove("web:1", GENTLY, users_none).unwrap();
    let deleted = |parts: &Parts| Removed::Deleted(parts.id().parse().unwrap());
    assert_eq!(removed, [Removed::Untagged("web:1".to_owned()), deleted(&ours), deleted(&theirs)]);
    assert!(rig.files().is_empty(), "{:?}", rig.files());
}

#[test]
fn one_platform_goes_alone() {
    for which in [0, 1] {
        let (rig, ours, theirs) = rig();
        let parts = [&ours, &theirs];
        let all = rig.images().resolve_all("web:1").unwrap();
        let removed = rig.images().remove_platform(&all[which], GENTLY, users_none).unwrap();
        assert_eq!(removed, [Removed::Deleted(all[which].id.clone())]);
        check(&rig, "web:1", &[parts[1 - which]]);
        rig.images().remove("web:1", GENTLY, users_none).unwrap();
        assert!(rig.files().is_empty());
    }
    let (rig, ours, theirs) = rig();
    rig.images().remove(&theirs.id(), GENTLY, users_none).unwrap();
    check(&rig, "web:1", &[&ours]);
}

#[test]
fn a_tag_that_leads_to_one_platform_only_goes_with_it_by_force() {
    let (rig, ours, theirs) = rig();
    let first = rig.images().load_for(&archive().0[..], vec![host()], |_| {}).unwrap();
    let mut only = first.into_iter().next().unwrap();
    only.references = vec!["only:1".parse().unwrap()];
    rig.images().record(&only, 1).unwrap();
    drop(only);
    let image = rig.images().resolve("web:1").unwrap();
    let refused = rig.images().remove_platform(&image, GENTLY, users_none).unwrap_err();
    assert!(refused.to_string().contains("all that only:1 leads to"), "{refused}");
    check(&rig, "only:1", &[&ours]);
    let force = RemoveOptions { force: true };
    let removed = rig.images().remove_platform(&image, force, users_none).unwrap();
    assert_eq!(removed, [Removed::Untagged("only:1".to_owned()), Removed::Deleted(image.id)]);
    check(&rig, "web:1", &[&theirs]);
}

#[test]
fn what_a_container_has_for_another_platform_stays() {
    let (rig, ours, theirs) = rig();
    let users = |id: &gantry_images::ImageId| {
        let container = gantry_types::ContainerId::from_bytes([1; 32]);
        let uses = id.to_string() == theirs.id();
        if uses { vec![gantry_images::ImageUser { container, running: true }] } else { vec![] }
    };
    let refused = rig.images().remove("web:1", GENTLY, users).unwrap_err();
    assert!(matches!(refused, Error::ReferenceInUse { .. }), "{refused}");
    let refused = rig.images().remove(&ours.id(), GENTLY, users).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let image = rig.images().resolve("web:1").unwrap();
    let refused = rig.images().remove_listed(&image, users).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let all = rig.images().resolve_all("web:1").unwrap();
    let refused = rig.images().remove_platform(&all[1], RemoveOptions { force: true }, users);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    check(&rig, "web:1", &[&ours, &theirs]);
    rig.images().remove("web:1", RemoveOptions { force: true }, users).unwrap();
    assert!(rig.images().resolve(&theirs.id()).unwrap().is_dangling());
    assert!(rig.images().resolve(&ours.id()).is_err());
}

#[test]
fn an_archive_holds_all_of_it() {
    let (rig, ours, theirs) = rig();
    let mut saved = Vec::new();
    let saving = rig.images().saving::<Error>(&["web:1".to_owned()], Ok).unwrap();
    saving.write(&mut saved).unwrap();
    let elsewhere = Rig::new();
    elsewhere.add(&saved);
    check(&elsewhere, "web:1", &[&ours, &theirs]);
    assert_eq!(
        elsewhere.images().resolve("web:1").unwrap().index,
        rig.images().resolve("web:1").unwrap().index
    );
    let mut alone = Vec::new();
    let second = |all: Vec<Image>| Ok::<_, Error>(all[1..].to_vec());
    let saving = rig.images().saving(&["web:1".to_owned()], second).unwrap();
    saving.write(&mut alone).unwrap();
    let elsewhere = Rig::new();
    elsewhere.add(&alone);
    check(&elsewhere, "web:1", &[&theirs]);
}

#[test]
fn a_name_takes_what_the_other_name_has_and_nothing_else() {
    let (rig, ours, theirs) = rig();
    let mut layout = LayoutFiles::new();
    let mine = for_platform(layout.plain_image(&ours), host());
    let third = Platform { architecture: "riscv64".to_owned(), ..other_platform() };
    let thirds = parts("third", &third);
    let beside = for_platform(layout.plain_image(&thirds), third);
    let index = layout.json(media_type::OCI_INDEX, &Index::new(vec![mine, beside]));
    rig.add(&layout.finish(vec![named(index, "two:1")]));
    for (name, parts) in [("web:1", &theirs), ("two:1", &thirds)] {
        let all = rig.images().resolve_all(name).unwrap();
        assert_eq!(ids(&all), [ours.id(), parts.id()], "{name}");
        rig.images().tag(&all, &"copy:1".parse().unwrap()).unwrap();
        check(&rig, "copy:1", &[&ours, parts]);
    }
}

//! Removing names and images: what goes, what stays, and what needs force.

use gantry_images::{Error, Image, ImageUser, RemoveOptions, Removed};
use gantry_types::{ContainerId, ErrorKind};

use crate::fixture::{Parts, docker_archive};
use crate::rig::Rig;

const FORCE: RemoveOptions = RemoveOptions { force: true };
const GENTLY: RemoveOptions = RemoveOptions { force: false };

fn rig(names: &[&str]) -> (Rig, Parts) {
    let rig = Rig::new();
    let parts = Parts::new("web", 2);
    rig.add(&docker_archive(&[(&parts, names)]));
    (rig, parts)
}

fn user(running: bool) -> Vec<ImageUser> {
    vec![ImageUser { container: ContainerId::from_bytes([0xab; 32]), running }]
}

/// Removed things in short: names, and `deleted` for the image.
fn remove(
    rig: &Rig,
    text: &str,
    options: RemoveOptions,
    users: &[ImageUser],
) -> Result<Vec<String>, Error> {
    let removed = rig.images().remove(text, options, |_| users.to_vec())?;
    let short = removed.into_iter().map(|removed| match removed {
        Removed::Untagged(name) => name,
        Removed::Deleted(_) => "deleted".to_owned(),
    });
    Ok(short.collect())
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let (rig, _) = rig(&["web:1", "web:2"]);
    assert_eq!(remove(&rig, "web:1", GENTLY, &[]).unwrap(), ["web:1"]);
    assert_eq!(rig.files().len(), 4);
    assert_eq!(remove(&rig, "web:2", GENTLY, &[]).unwrap(), ["web:2", "deleted"]);
    assert!(rig.files().is_empty());
    assert!(rig.images().list().unwrap().is_empty());
}

#[test]
fn what_is_loaded_and_not_recorded_yet_outlives_a_removal() {
    for record in [true, false] {
        let (rig, parts) = rig(&["web:1"]);
        let before = rig.files();
        let loaded = rig.load(&docker_archive(&[(&parts, &["web:2"])])).unwrap();
        assert_eq!(remove(&rig, &parts.id(), GENTLY, &[]).unwrap(), ["web:1", "deleted"]);
        assert_eq!(rig.files(), before);
        if record {
            rig.images().record(&loaded[0], 1).unwrap();
        }
        drop(loaded);
        assert_eq!(rig.files(), if record { before } else { Vec::new() });
    }
}

#[test]
fn several_images_are_recorded_at_once() {
    let (rig, old) = rig(&["web:1"]);
    let (new, other) = (Parts::new("new", 1), Parts::new("other", 1));
    let archive = docker_archive(&[(&new, &["web:1"]), (&other, &["other:1", "web:1"])]);
    let loaded = rig.load(&archive).unwrap();
    let recorded = rig.images().record_all(&[(&loaded[0], 7), (&loaded[1], 9)]).unwrap();
    let sizes: Vec<u64> = recorded.iter().map(|recorded| recorded.image.size_bytes).collect();
    assert_eq!(sizes, [7, 9]);
    // The name went from the first to the second.
    assert_eq!(recorded[0].moved[0].1.to_string(), old.id());
    assert_eq!(recorded[1].moved[0].1.to_string(), new.id());
    assert_eq!(rig.images().resolve("web:1").unwrap().id.to_string(), other.id());
}

#[test]
fn an_id_takes_the_only_name_with_it() {
    for prefix in [7 + 64, 7 + 12] {
        let (rig, parts) = rig(&["web:1"]);
        let removed = remove(&rig, &parts.id()[..prefix], GENTLY, &[]).unwrap();
        assert_eq!(removed, ["web:1", "deleted"]);
        assert!(rig.files().is_empty());
    }
}

#[test]
fn a_dangling_image_goes_by_its_id() {
    let (rig, parts) = rig(&[]);
    assert_eq!(remove(&rig, &parts.id()[7..19], GENTLY, &[]).unwrap(), ["deleted"]);
}

#[test]
fn an_id_with_several_names_needs_force() {
    let (rig, parts) = rig(&["web:1", "web:2"]);
    let id = &parts.id()[7..19];
    let error = remove(&rig, id, GENTLY, &[]).unwrap_err();
    let expected = format!(
        "conflict: unable to delete {id} (must be forced) - image is referenced in multiple \
         repositories"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(remove(&rig, id, FORCE, &[]).unwrap(), ["web:1", "web:2", "deleted"]);
}

#[test]
fn containers_keep_the_last_name() {
    let (rig, parts) = rig(&["web:1"]);
    let error = remove(&rig, "web:1", GENTLY, &user(false)).unwrap_err();
    let expected = format!(
        "conflict: unable to remove repository reference \"web:1\" (must force) - container \
         abababababab is using its referenced image {}",
        &parts.id()[7..19]
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(rig.images().resolve("web:1").unwrap().repo_tags(), ["web:1"]);
}

#[test]
fn force_untags_under_a_running_container_and_deletes_under_a_stopped_one() {
    let (running, _) = rig(&["web:1"]);
    assert_eq!(remove(&running, "web:1", FORCE, &user(true)).unwrap(), ["web:1"]);
    assert!(running.images().list().unwrap()[0].is_dangling());
    let (stopped, _) = rig(&["web:1"]);
    assert_eq!(remove(&stopped, "web:1", FORCE, &user(false)).unwrap(), ["web:1", "deleted"]);
}

#[test]
fn a_name_among_others_goes_although_containers_use_the_image() {
    let (rig, _) = rig(&["web:1", "web:2"]);
    assert_eq!(remove(&rig, "web:1", GENTLY, &user(true)).unwrap(), ["web:1"]);
}

#[test]
fn an_id_under_containers() {
    let (rig, parts) = rig(&["web:1"]);
    let id = &parts.id()[7..19];
    let cases = [
        (GENTLY, true, "(cannot be forced) - image is being used by running container"),
        (FORCE, true, "(cannot be forced) - image is being used by running container"),
        (GENTLY, false, "(must be forced) - image is being used by stopped container"),
    ];
    for (options, running, words) in cases {
        let error = remove(&rig, id, options, &user(running)).unwrap_err();
        let expected = format!("conflict: unable to delete {id} {words} abababababab");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(remove(&rig, id, FORCE, &user(false)).unwrap(), ["web:1", "deleted"]);
}

#[test]
fn what_changed_since_it_was_listed_stays() {
    let (rig, _) = rig(&["web:1", "other:2"]);
    let listed = |rig: &Rig| rig.images().list().unwrap()[0].clone();
    let kept = |image: &Image, users: &[ImageUser]| {
        let error = rig.images().remove_listed(image, |_| users.to_vec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    };
    let before = listed(&rig);
    rig.images().tag(std::slice::from_ref(&before), &"web:3".parse().unwrap()).unwrap();
    kept(&before, &[]);
    for running in [true, false] {
        kept(&listed(&rig), &user(running));
    }
    assert_eq!(listed(&rig).repo_tags(), ["other:2", "web:1", "web:3"]);
    let removed = rig.images().remove_listed(&listed(&rig), |_| Vec::new()).unwrap();
    assert_eq!(removed.len(), 4);
    assert!(rig.files().is_empty());
    let gone = rig.images().remove_listed(&before, |_| Vec::new()).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    let (rig, _) = rig(&["web:1"]);
    let error = remove(&rig, "web:2", FORCE, &[]).unwrap_err();
    assert_eq!(error.to_string(), "No such image: web:2");
    let error = remove(&rig, "web:", FORCE, &[]).unwrap_err();
    assert_eq!(error.to_string(), "invalid reference format");
}

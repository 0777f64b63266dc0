//! Which devices a process in the cgroup can use, by v1's lists.

use std::fs::File;

use gantry_cgroup::Cgroup;
use serde_json::json;

use crate::place::Place;

/// Whether a thread in the cgroup can open a device for reading.
fn can_read(cgroup: &Cgroup, device: &'static str) -> bool {
    let join = cgroup.join_handle().unwrap();
    let thread = std::thread::spawn(move || {
        join.enter().unwrap();
        File::open(device).is_ok()
    });
    thread.join().unwrap()
}

#[test]
fn only_what_is_allowed() {
    assert!(File::open("/dev/kmsg").is_ok(), "the test can read it itself");
    let place = Place::new("devices");
    let cgroup = place.create(json!({ "devices": [{ "allow": false, "access": "rwm" }] })).unwrap();
    assert!(can_read(&cgroup, "/dev/zero"));
    assert!(!can_read(&cgroup, "/dev/kmsg"));

    let kmsg = json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "r" });
    let update = serde_json::from_value(json!({ "devices": [kmsg] })).unwrap();
    cgroup.apply(&update).unwrap();
    assert!(can_read(&cgroup, "/dev/kmsg"));

    // An update without devices leaves them alone.
    cgroup.apply(&serde_json::from_value(json!({ "pids": { "limit": 50 } })).unwrap()).unwrap();
    assert!(can_read(&cgroup, "/dev/kmsg"));
}

#[test]
fn without_rules_all_but_the_usual_is_denied() {
    let place = Place::new("no-rules");
    let cgroup = place.create(json!({})).unwrap();
    assert!(can_read(&cgroup, "/dev/null") && !can_read(&cgroup, "/dev/kmsg"));
}

#[test]
fn a_privileged_container_may_use_all() {
    let place = Place::new("privileged");
    let cgroup = place.create(json!({ "devices": [{ "allow": true, "access": "rwm" }] })).unwrap();
    assert!(can_read(&cgroup, "/dev/kmsg"));
}

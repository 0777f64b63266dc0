//! Debian's dockerd: its archives and ours, and one registry between the two.

use gantry_testkit::{Daemon, Dockerd};

use super::{arrives, daemon_with, image, is, save};

#[test]
fn archives_both_ways() {
    let (one, two) = (image("crossing:1"), image("crossing:2"));
    let (daemon, dockerd) = (daemon_with(&[one.clone(), two.clone()]), Dockerd::start());
    let saved = save(&daemon, &["crossing:1", "crossing:2"]);
    dockerd.ok(&["load", "-q", "-i", saved.to_str().unwrap()]);
    for image in [&one, &two] {
        assert_eq!(dockerd.ok(&["image", "inspect", "-f", "{{.Id}}", &image.name]), image.id());
        let run = ["run", "--rm", "--network", "none", &image.name];
        assert_eq!(dockerd.ok(&run), image.name);
    }
    let file = daemon.scratch("by-docker.tar");
    dockerd.ok(&["save", "-o", file.to_str().unwrap(), "crossing:1", "crossing:2"]);
    let elsewhere: Daemon = arrives(&file, &one, "crossing:1");
    is(&elsewhere, &two, "crossing:2");
}

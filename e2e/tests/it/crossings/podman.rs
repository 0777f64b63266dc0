//! podman's archives and ours.

use gantry_testkit::{Binaries, Daemon, Podman};

use super::{arrives, daemon_with, image, manifest_digests, save};

fn podman() -> Podman {
    Podman::start(&Binaries::find().path("gantry-runc").to_string_lossy())
}

#[test]
fn it_loads_what_we_save() {
    let (one, two) = (image("reg.example/crossing:1"), image("reg.example/crossing:2"));
    let (daemon, podman) = (daemon_with(&[one.clone(), two.clone()]), podman());
    let saved = save(&daemon, &["reg.example/crossing:1", "reg.example/crossing:2"]);
    let path = saved.to_str().unwrap();
    podman.ok(&["load", "-q", "-i", path]);
    for image in [&one, &two] {
        let inspect =
            |template: &str| podman.ok(&["image", "inspect", "-f", template, &image.name]);
        assert_eq!(format!("sha256:{}", inspect("{{.Id}}")), image.id());
        let run = podman.run(&["--rm", &image.name]).run();
        run.exits(0).prints(&image.name);
    }
    // By the layout, the manifest comes too. What came before has one of podman's own making.
    podman.ok(&["rmi", "-f", "reg.example/crossing:1"]);
    let one = save(&daemon, &["reg.example/crossing:1"]);
    let id = podman.ok(&["pull", "-q", &format!("oci-archive:{}", one.display())]);
    let digest = podman.ok(&["image", "inspect", "-f", "{{.Digest}}", &id]);
    assert_eq!(vec![digest], manifest_digests(&one));
}

#[test]
fn we_load_what_it_saves() {
    let (one, two) = (image("reg.example/crossing:1"), image("reg.example/crossing:2"));
    let (daemon, podman) = (daemon_with(&[one.clone(), two.clone()]), podman());
    // In the format in which it came: podman writes another configuration into the other one.
    let alone = save(&daemon, &["reg.example/crossing:1"]);
    let id = podman.ok(&["pull", "-q", &format!("oci-archive:{}", alone.display())]);
    podman.ok(&["tag", &id, "reg.example/crossing:layout"]);
    let save_as = |format: &str, name: &str| {
        let file = daemon.scratch(format);
        podman.ok(&["save", "-q", "--format", format, "-o", file.to_str().unwrap(), name]);
        file
    };
    let file = save_as("oci-archive", "reg.example/crossing:layout");
    let elsewhere = Daemon::start();
    elsewhere.ok(&["load", "-q", "-i", file.to_str().unwrap()]);
    elsewhere.ok(&["tag", &one.id(), "reg.example/crossing:layout"]);
    super::is(&elsewhere, &one, "reg.example/crossing:layout");
    podman.ok(&["rmi", "-f", &id]);

    let saved = save(&daemon, &["reg.example/crossing:1", "reg.example/crossing:2"]);
    podman.ok(&["load", "-q", "-i", saved.to_str().unwrap()]);
    let file = save_as("docker-archive", "reg.example/crossing:1");
    drop(arrives(&file, &one, "reg.example/crossing:1"));
    let file = daemon.scratch("several.tar");
    let path = file.to_str().unwrap();
    podman.ok(&[
        "save",
        "-q",
        "-m",
        "-o",
        path,
        "reg.example/crossing:1",
        "reg.example/crossing:2",
    ]);
    let elsewhere = arrives(&file, &one, "reg.example/crossing:1");
    super::is(&elsewhere, &two, "reg.example/crossing:2");
}

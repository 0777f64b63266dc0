//! What becomes of what was built: files and archives here, images in a registry, what is told of them.

use std::fs;
use std::path::Path;

use gantry_testkit::{Binaries, Daemon, Invocation, Podman, Registry};
use serde_json::Value;

use super::context;

const DOCKERFILE: &str = "FROM busybox AS made\nRUN mkdir /s; echo made > /s/made; ln -s /etc/passwd /s/link; mkfifo /s/pipe; chmod 700 /s/made\n\
     FROM scratch AS files\nCOPY --from=made /s /out\nFROM made\nCMD [\"cat\", \"/s/made\"]\n";

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn files_come_to_the_client_and_stay_in_their_folder() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "files", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let folder = daemon.scratch("out");
    // What leads out of the folder is not followed.
    let trap = daemon.scratch("trap");
    fs::create_dir_all(&trap).unwrap();
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(&trap, folder.join("out")).unwrap();
    let words = ["build", "--network=none", "--target=files", "-o", folder.to_str().unwrap(), root];
    let printed = daemon.gantry(&words).run();
    assert_eq!(fs::read_dir(&trap).unwrap().count(), 0, "{}", printed.stderr);
    fs::remove_file(folder.join("out")).unwrap_or_default();
    daemon.ok(&words);
    assert_eq!(fs::read_to_string(folder.join("out/made")).unwrap(), "made\n");
    assert_eq!(fs::read_link(folder.join("out/link")).unwrap(), Path::new("/etc/passwd"));
    assert!(!folder.join("out/pipe").exists(), "files alone are for users");
    assert!(daemon.ok(&["images", "-q"]).lines().count() <= 2, "no image was asked for");
    // The same as an archive, on standard output and in a file.
    let words = ["build", "--network=none", "--target=files", "-o", "-", root];
    let printed = daemon.gantry(&words).run();
    let file = daemon.scratch("out.tar");
    let to_file = format!("type=tar,dest={}", file.display());
    daemon.ok(&["build", "--network=none", "--target=files", "--output", &to_file, root]);
    let listed = Invocation::new("tar").args(["-tf", file.to_str().unwrap()]).run().success();
    assert_eq!(listed, "out/\nout/link\nout/made\nout/pipe");
    assert!(printed.stdout.len() >= 2048, "{}", printed.stderr);
    daemon.ok(&["system", "check"]);
}

#[test]
fn an_output_that_has_no_place_says_why() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "placeless", &[("Dockerfile", DOCKERFILE)]);
    let output = "type=tar,dest=/no/such/folder/x.tar";
    let words = ["build", "--network=none", "-o", output, root.to_str().unwrap()];
    let outcome = daemon.gantry(&words).run();
    outcome.exits(1).complains("create /no/such/folder/x.tar");
}

#[test]
fn archives_of_images_are_read_by_others() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "archives", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let (docker, oci) = (daemon.scratch("docker.tar"), daemon.scratch("oci"));
    let metadata = daemon.scratch("metadata.json");
    let to_docker = format!("type=docker,dest={}", docker.display());
    let to_folder = format!("type=oci,tar=false,dest={},compression=gzip", oci.display());
    daemon.ok(&[
        "build",
        "--network=none",
        "-t",
        "archived:1",
        "-o",
        &to_docker,
        "-o",
        &to_folder,
        "--annotation",
        "org.example.one=1",
        "--annotation",
        "index:org.example.two=2",
        "--metadata-file",
        metadata.to_str().unwrap(),
        root,
    ]);
    assert_eq!(daemon.ok(&["images", "-q", "archived:1"]), "", "it stays nowhere");
    let other = Daemon::start();
    other.ok(&["load", "-i", docker.to_str().unwrap()]);
    assert_eq!(other.ok(&["run", "--rm", "--network=none", "archived:1"]), "made");
    let metadata = read_json(&metadata);
    let index = read_json(&oci.join("index.json"));
    let image = index["manifests"][0]["digest"].as_str().unwrap();
    assert_eq!(metadata["image.name"], "docker.io/library/archived:1");
    let blob = |digest: &str| read_json(&oci.join("blobs/sha256").join(&digest["sha256:".len()..]));
    let inner = blob(image);
    assert_eq!(inner["annotations"]["org.example.two"], "2", "{inner}");
    let manifest = blob(inner["manifests"][0]["digest"].as_str().unwrap());
    assert_eq!(manifest["annotations"]["org.example.one"], "1");
    let kind = manifest["layers"][1]["mediaType"].as_str().unwrap();
    assert!(kind.ends_with("+gzip"), "{kind}");
    daemon.ok(&["system", "check"]);
}

#[test]
fn what_is_pushed_is_what_is_told_of_and_podman_runs_it() {
    let (daemon, registry) = (Daemon::with_busybox(), Registry::open());
    let root = context(&daemon, "pushed", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let name = format!("{}/built:1", registry.address());
    let (metadata, id) = (daemon.scratch("metadata.json"), daemon.scratch("id"));
    daemon.ok(&[
        "build",
        "--network=none",
        "--push",
        "-t",
        &name,
        "--iidfile",
        id.to_str().unwrap(),
        "--metadata-file",
        metadata.to_str().unwrap(),
        root,
    ]);
    let metadata = read_json(&metadata);
    assert_eq!(metadata["containerimage.config.digest"], fs::read_to_string(&id).unwrap().trim());
    // podman has a network of its own: what the registry has is brought to it in a file.
    let podman = Podman::start(&Binaries::find().path("gantry-runc").to_string_lossy());
    let file = daemon.scratch("pushed.tar");
    let (from, to) = (format!("docker://{name}"), format!("oci-archive:{}", file.display()));
    registry.skopeo(&["copy", "--src-tls-verify=false", &from, &to]).run().success();
    let pulled = podman.ok(&["pull", "-q", &to]);
    podman.run(&["--rm", &pulled]).run().exits(0).prints("made\n");
    daemon.ok(&["system", "check"]);
}

#[test]
fn outputs_that_mean_nothing_are_refused() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "refused", &[("Dockerfile", DOCKERFILE)]);
    for (flag, said) in [
        ("type=zip", "zip"),
        ("type=local", "dest="),
        ("type=tar,dest=/tmp/x,shape=round", "shape"),
        ("type=registry", "--tag"),
    ] {
        let words = ["build", "--network=none", "-o", flag, root.to_str().unwrap()];
        let outcome = daemon.gantry(&words).run();
        assert_ne!(outcome.code, 0);
        assert!(outcome.stderr.contains(said), "{flag}: {}", outcome.stderr);
    }
}

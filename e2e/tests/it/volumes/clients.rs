//! Volumes by other programs: a plugin that keeps them, and docker-py.

use std::path::Path;
use std::process::{Child, Command};

use gantry_testkit::{Daemon, Options, busybox, poll};

use crate::shared::shared;

/// The plugin of this test; it ends with it.
struct Plugin(Child);

impl Plugin {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("shelf.sock");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/volumes/plugin.py");
        let mut command = Command::new("python3");
        let child = command.arg(script).arg(&socket).arg(folder).spawn();
        let child = child.expect("start the plugin");
        poll("the plugin listens", || socket.exists().then_some(()));
        Self(child)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // It may have ended by itself; then the test has told why.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_plugin_keeps_volumes() {
    let folder = tempfile::tempdir().unwrap();
    let _plugin = Plugin::start(folder.path());
    let flags = vec!["--plugin-dir".to_owned(), folder.path().display().to_string()];
    let daemon = Daemon::start_with(Options { flags, ..Options::default() });
    daemon.load(&busybox());
    daemon.ok(&["volume", "create", "-d", "shelf", "-o", "a=b", "far"]);
    let told = daemon.ok(&["volume", "inspect", "-f", "{{.Driver}} {{.Status.colour}}", "far"]);
    assert_eq!(told, "shelf red");
    let run = ["run", "--rm", "--network", "none", "-v", "far:/v", "busybox", "touch", "/v/file"];
    daemon.ok(&run);
    assert!(folder.path().join("volume-far/file").exists());
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "--volume-driver",
        "shelf",
        "-v",
        "more:/v",
        "busybox",
        "touch",
        "/v/x",
    ];
    daemon.ok(&run);
    assert!(folder.path().join("volume-more/x").exists());
    daemon
        .gantry(&["volume", "create", "-d", "shelf", "-o", "fail=yes", "no"])
        .run()
        .exits(1)
        .complains("told to fail");
    daemon
        .gantry(&["volume", "create", "-d", "nobody", "no"])
        .run()
        .exits(1)
        .complains("\"nobody\" not found");
    daemon
        .gantry(&["volume", "create", "-d", "local", "far"])
        .run()
        .exits(1)
        .complains("already exists");
    daemon.ok(&["volume", "rm", "far", "more"]);
    assert_eq!(daemon.ok(&["volume", "ls", "-q"]), "");
    let journal = std::fs::read_to_string(folder.path().join("journal")).unwrap();
    let count = |method: &str| journal.lines().filter(|line| *line == method).count();
    assert_eq!(count("VolumeDriver.Mount"), count("VolumeDriver.Unmount"));
    assert_eq!(count("VolumeDriver.Create"), 3);
    assert_eq!(count("VolumeDriver.Remove"), 2);
}

const DOCKER_PY: &str = r#"
import docker, io, sys, tarfile
client = docker.DockerClient(base_url=sys.argv[1])
volume = client.volumes.create("py-volume", labels={"a": "b"})
assert volume.attrs["Labels"] == {"a": "b"} and volume.attrs["Driver"] == "local"
box = client.containers.create("busybox", ["sleep", "1000"], network_mode="none", name="py-copy",
                               volumes={"py-volume": {"bind": "/v", "mode": "rw"}})
data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w") as archive:
    entry = tarfile.TarInfo("file")
    entry.size = 4
    archive.addfile(entry, io.BytesIO(b"text"))
for running in (False, True):
    if running:
        box.start()
    assert box.put_archive("/v", data.getvalue())
    stream, stat = box.get_archive("/v/file")
    assert stat["name"] == "file" and stat["size"] == 4, stat
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        assert archive.extractfile("file").read() == b"text"
    try:
        box.get_archive("/nope")
        raise SystemExit("found what is not there")
    except docker.errors.NotFound as error:
        assert "/nope" in str(error) or "404" in str(error), error
try:
    volume.remove()
    raise SystemExit("removed what is in use")
except docker.errors.APIError as error:
    assert error.status_code == 409, error
box.remove(force=True, v=True)
volume.remove()
assert client.volumes.prune()["SpaceReclaimed"] is not None
"#;

#[test]
fn docker_py() {
    let socket = shared().host();
    let output =
        Command::new(gantry_testkit::python_with_sdk()).args(["-c", DOCKER_PY, &socket]).output();
    let output = output.expect("run python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

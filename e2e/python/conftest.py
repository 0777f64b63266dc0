"""A gantryd for the tests in this folder, and the same images that the Rust tests use.

The daemon's folder is cleaned by the same reaper as in the Rust tests: testkit/src/reap.sh.
"""

import contextlib
import io
import os
import pathlib
import subprocess
import tarfile
import tempfile
import time

import docker
import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("GANTRY_BIN_DIR", CHECKOUT / "target/dist/bin"))
DEADLINE_S = 30

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:An App:/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1001:\n"


def poll(what, look):
    """Waits until `look` returns something true, and returns that."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {DEADLINE_S} s in vain for {what}")


def busybox_root():
    """The root file system of busybox-static as a tar archive."""
    program = pathlib.Path("/bin/busybox")
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name, content=b"", mode=0o644, kind=tarfile.REGTYPE, target=""):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.type, entry.linkname = len(content), mode, kind, target
            tar.addfile(entry, io.BytesIO(content))

        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("root", 0o700), ("home", 0o755)):
            add(folder, mode=mode, kind=tarfile.DIRTYPE)
        add("bin/busybox", program.read_bytes(), 0o755)
        for applet in applets:
            if applet != "busybox":
                add(f"bin/{applet}", mode=0o777, kind=tarfile.SYMTYPE, target="busybox")
        add("etc/passwd", PASSWD.encode())
        add("etc/group", GROUP.encode())
    return archive.getvalue()


class Daemon:
    """A running gantryd and where to reach it."""

    def __init__(self, folder, cgroup_parent, has_host=False, flags=()):
        self.folder = folder
        self.host = f"unix://{folder}/gantry.sock"
        options = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        options += ["--pidfile", f"{folder}/gantryd.pid", "--host", self.host, *flags]
        help_text = subprocess.run([BINARIES / "gantryd", "--help"], capture_output=True, text=True).stdout
        if "--cgroup-parent" in help_text:
            options += ["--cgroup-parent", f"/{cgroup_parent}"]
        command = [BINARIES / "gantryd", *options]
        if has_host is True:
            script = 'ip link set lo up && exec "$@"'
            command = ["unshare", "--net", "sh", "-c", script, "sh", *command]
        elif not has_host and "--bridge" in help_text:
            # Bridges would be this machine's.
            command += ["--bridge", "none"]
        with open(f"{folder}/gantryd.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    def answers(self):
        assert self.process.poll() is None, pathlib.Path(f"{self.folder}/gantryd.log").read_text()
        try:
            return docker.DockerClient(base_url=self.host, version="1.41").ping()
        except (docker.errors.DockerException, OSError):
            return False


@contextlib.contextmanager
def running_daemon(name, has_host=False, flags=()):
    """One that is gone with all it made at the end.

    With `has_host` it runs in a network namespace that plays a host of its own; `has_host="here"` says that we are in
    such a namespace already.
    """
    folder = tempfile.mkdtemp(prefix="gantry-e2e-")
    cgroup_parent = f"gantry-e2e-{name}-{os.getpid()}"
    environment = {**os.environ, "ROOT": folder, "CGROUP_PARENT": cgroup_parent}
    reaper = subprocess.Popen(
        ["sh", CHECKOUT / "testkit/src/reap.sh"], stdin=subprocess.PIPE, env=environment, cwd="/"
    )
    running = None
    try:
        running = Daemon(folder, cgroup_parent, has_host, flags)
        poll("gantryd to answer", running.answers)
        yield running
    finally:
        reaper.stdin.close()
        reaper.wait()
        if running:
            running.process.wait()


@pytest.fixture(scope="session")
def daemon():
    with running_daemon("py") as running:
        yield running


@pytest.fixture(scope="session", params=["auto", "1.43", "1.41"])
def client(request, daemon):
    """docker-py at the newest version it can agree on, and at older ones."""
    client = docker.DockerClient(base_url=daemon.host, version=request.param, timeout=DEADLINE_S)
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox(client):
    """The image that the tests run; made once by import, which is a test of that too."""
    name = "pybox:latest"
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        client.api.import_image_from_data(busybox_root(), repository="pybox", tag="latest", changes=['CMD ["sh"]'])
    return name


@pytest.fixture
def containers(client, busybox):
    """Makes containers and removes them at the end of the test."""
    made = []

    def create(command, **options):
        container = client.containers.create(busybox, command, network_mode="none", **options)
        made.append(container)
        return container

    yield create
    for container in made:
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            pass

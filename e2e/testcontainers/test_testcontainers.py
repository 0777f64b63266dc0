"""testcontainers for Python, unmodified: `with_daemon.py pytest e2e/testcontainers`.

Wait strategies, exec, files, networks, builds, logs, compose files, and its reaper (a stand-in).
"""

import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import docker
import pytest
from testcontainers.compose import DockerCompose
from testcontainers.core.container import DockerContainer, ExecConfig
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import (
    CompositeWaitStrategy,
    ContainerStatusWaitStrategy,
    ExecWaitStrategy,
    FileExistsWaitStrategy,
    HealthcheckWaitStrategy,
    HttpWaitStrategy,
    LogMessageWaitStrategy,
    PortWaitStrategy,
)

DEADLINE_S = 30
HEALTH = {"test": ["CMD", "test", "-e", "/up"], "interval": 100_000_000, "timeout": 3_000_000_000, "retries": 50}


@pytest.fixture(scope="module")
def client():
    client = docker.from_env(timeout=DEADLINE_S)
    yield client
    client.close()


def busybox(script="exec sleep 1000"):
    return DockerContainer("busybox").with_command(["sh", "-c", script])


def server():
    return DockerContainer("uhttpd").with_exposed_ports(80)


def soon(strategy):
    return strategy.with_startup_timeout(DEADLINE_S).with_poll_interval(0.02)


def page(container, path="", port=80):
    address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(port)}/{path}"
    return urllib.request.urlopen(address, timeout=5).read()


def test_a_port(client):
    with server().waiting_for(soon(PortWaitStrategy(80))) as container:
        assert page(container) == b"at your service\n"
        name = container.get_wrapped_container().name
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(name)


def test_a_page():
    late = server().with_command(["sh", "-c", "sleep 0.3; echo yes > /www/ready; exec httpd -f -p 80 -h /www"])
    strategy = HttpWaitStrategy(80, "/ready").for_status_code(200).for_response_predicate(lambda body: "yes" in body)
    with late.waiting_for(soon(strategy)) as container:
        assert page(container, "ready") == b"yes\n"


def test_a_line_of_the_log():
    with busybox("sleep 0.2; echo out; echo ready 2 >&2; exec sleep 1000").waiting_for(
        soon(LogMessageWaitStrategy(r"ready \d"))
    ) as container:
        assert container.get_logs() == (b"out\n", b"ready 2\n")


def test_health(client):
    healthy = busybox("sleep 0.3; touch /up; exec sleep 1000").with_kwargs(healthcheck=HEALTH)
    with healthy.waiting_for(soon(HealthcheckWaitStrategy())) as container:
        assert client.containers.get(container.get_container_id()).health == "healthy"
    sick = busybox().with_kwargs(healthcheck={**HEALTH, "retries": 1})
    with pytest.raises(RuntimeError, match="unhealthy"), sick.waiting_for(soon(HealthcheckWaitStrategy())):
        pass
    with pytest.raises(RuntimeError, match="No health check"), busybox().waiting_for(soon(HealthcheckWaitStrategy())):
        pass


def test_a_command_a_file_and_all_together(tmp_path):
    script = "sleep 0.2; touch /up /shared/file; exec sleep 1000"
    strategies = [ExecWaitStrategy(["test", "-e", "/up"]), FileExistsWaitStrategy(tmp_path / "file")]
    both = soon(CompositeWaitStrategy(*strategies, ContainerStatusWaitStrategy()))
    with busybox(script).with_volume_mapping(tmp_path, "/shared", "rw").waiting_for(both) as container:
        assert container.status == "running"
        assert (tmp_path / "file").exists()


def test_what_never_comes_fails_in_time():
    began = time.monotonic()
    never = LogMessageWaitStrategy("never").with_startup_timeout(1).with_poll_interval(0.05)
    with pytest.raises(TimeoutError), busybox().waiting_for(never):
        pass
    assert time.monotonic() - began < DEADLINE_S


def test_commands_inside():
    container = busybox().with_envs(A="1").with_kwargs(user="app", working_dir="/tmp", hostname="boxed")
    with container:
        result = container.exec(["sh", "-c", "echo $A; pwd; id -u; hostname; exit 4"])
        assert (result.exit_code, result.output) == (4, b"1\n/tmp\n1000\nboxed\n")
        config = ExecConfig(["sh", "-c", "echo $B; pwd; id -u"], user="root", environment={"B": "2"}, workdir="/")
        assert container.exec(config).output == b"2\n/\n0\n"


def test_a_job_ends_with_its_code():
    with busybox("echo done; exit 3") as container:
        assert container.wait() == 3
        assert container.get_logs()[0] == b"done\n"


def test_files_go_in_and_come_out(tmp_path):
    (tmp_path / "file").write_text("from the host\n")
    container = (
        busybox()
        .with_copy_into_container(tmp_path / "file", "/in/file", 0o600)
        .with_copy_into_container(b"bytes\n", "/in/bytes")
        .with_copy_into_container(tmp_path, "/folder")
        .with_tmpfs_mount("/scratch", "size=1m")
    )
    with container:
        listed = container.exec(["sh", "-c", f"cat /in/* /folder/{tmp_path.name}/file; stat -c %a /in/file"])
        assert listed.output == b"bytes\nfrom the host\nfrom the host\n600\n"
        container.copy_into_container(b"later\n", "/in/later")
        container.copy_from_container("/in/later", tmp_path / "out")
        assert (tmp_path / "out").read_text() == "later\n"
        assert container.exec(["sh", "-c", "df -k /scratch | tail -1 | awk '{print $2}'"]).output == b"1024\n"


def test_networks(client):
    with Network() as network:
        with (
            server().with_network(network).with_network_aliases("web"),
            busybox().with_network(network) as caller,
        ):
            # The web server may need a moment more than its container.
            reached = soon(ExecWaitStrategy(["wget", "-qO-", "http://web/"]))
            reached.wait_until_ready(caller)
            assert caller.exec(["wget", "-qO-", "http://web/"]).output == b"at your service\n"
            assert len(client.networks.get(network.id).containers) == 2
        ident = network.id
    with pytest.raises(docker.errors.NotFound):
        client.networks.get(ident)


def test_an_image_is_built(tmp_path, client):
    (tmp_path / "Own").write_text("FROM busybox\nARG WORD\nRUN echo $WORD > /word\nCMD cat /word\n")
    with DockerImage(tmp_path, tag="tc-built:1", dockerfile_path="Own", buildargs={"WORD": "given"}) as image:
        assert any("Successfully built" in line.get("stream", "") for line in image.get_logs())
        with DockerContainer(str(image)) as container:
            assert container.wait() == 0
            assert container.get_logs()[0] == b"given\n"
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("tc-built:1")


COMPOSE = """
services:
  web:
    image: uhttpd
    init: true
    ports: ["80"]
    healthcheck: {test: [CMD, wget, -qO-, "http://127.0.0.1/"], interval: 200ms, retries: 50}
  job:
    image: busybox
    init: true
    command: [sh, -c, "echo from the job; exec sleep 1000"]
    depends_on: {web: {condition: service_healthy}}
"""


def test_a_compose_file(tmp_path, client):
    plugins = pathlib.Path(os.environ["DOCKER_CONFIG"], "cli-plugins")
    plugins.mkdir(parents=True, exist_ok=True)
    program = plugins / "docker-compose"
    if not program.exists():
        program.symlink_to(pathlib.Path(sys.executable).with_name("docker-compose-v5"))
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    with DockerCompose(tmp_path) as compose:
        host, port = compose.get_service_host_and_port("web", 80)
        assert urllib.request.urlopen(f"http://{host}:{port}/", timeout=5).read() == b"at your service\n"
        stdout, stderr, code = compose.exec_in_container(["sh", "-c", "echo in; echo err >&2"], "job")
        assert (stdout, stderr, code) == ("in\n", "err\n", 0)
        assert "from the job" in compose.get_logs("job")[0]
    assert client.containers.list(all=True, filters={"label": "com.docker.compose.project"}) == []


ABANDON = """
import os, signal
from testcontainers.core.container import DockerContainer
container = DockerContainer("busybox").with_command(["sleep", "1000"]).start()
print(container.get_container_id(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_reaper_removes_what_a_killed_process_left(client):
    environment = {**os.environ, "RYUK_CONTAINER_IMAGE": "ryuk:latest", "TESTCONTAINERS_RYUK_DISABLED": "false"}
    script = subprocess.run([sys.executable, "-c", ABANDON], env=environment, capture_output=True, text=True, check=False)
    assert len(script.stdout.strip()) == 64, script.stderr
    deadline = time.monotonic() + DEADLINE_S
    # The client inspects each container of the list, and the reaper may have removed it by then.
    while client.containers.list(all=True, filters={"label": "org.testcontainers"}, ignore_removed=True):
        assert time.monotonic() < deadline, "the reaper removes nothing"
        time.sleep(0.05)

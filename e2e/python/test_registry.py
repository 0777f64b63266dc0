"""Pushing, pulling and logging in through docker-py, at Debian's docker-registry."""

import json
import shutil
import socket
import subprocess

import docker
import pytest

from conftest import poll

# `ann` with the password `secret`, as `htpasswd -B` writes it.
ANN = "ann:$2y$05$0jFxS.R9HSxun5fL5H9HMuGdJPzSyJUZOp/2XA0Y1570Y1PJGpAMW\n"
ACCOUNT = {"username": "ann", "password": "secret"}


class Registry:
    """A registry on a free port that wants a password."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        (folder / "users").write_text(ANN)
        config = folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{self.address}'}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/store}}, delete: {{enabled: true}}}}\n"
            f"auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}\n"
        )
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        poll("the registry to answer", self.answers)

    def answers(self):
        assert self.process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", int(self.address.rpartition(":")[2])), 1).close()
            return True
        except OSError:
            return False


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    assert shutil.which("docker-registry"), "docker-registry (Debian) is needed"
    running = Registry(tmp_path_factory.mktemp("registry"))
    yield running
    running.process.kill()
    running.process.wait()


def lines(answer):
    return [json.loads(line) for line in answer.splitlines() if line.strip()]


def test_login(client, registry):
    assert client.login(registry=registry.address, reauth=True, **ACCOUNT)["Status"] == "Login Succeeded"
    with pytest.raises(docker.errors.APIError) as refused:
        client.login(registry=registry.address, username="ann", password="wrong", reauth=True)
    assert refused.value.status_code == 401


def test_push_pull_and_what_the_registry_has(client, registry, busybox):
    name = f"{registry.address}/py/busybox"
    image = client.images.get(busybox)
    assert image.tag(name, "1")
    pushed = lines(client.images.push(name, tag="1", auth_config=ACCOUNT))
    assert not [line for line in pushed if "error" in line], pushed
    aux = [line["aux"] for line in pushed if "aux" in line][-1]
    assert aux["Tag"] == "1" and aux["Digest"].startswith("sha256:") and aux["Size"] > 100

    data = client.images.get_registry_data(f"{name}:1", auth_config=ACCOUNT)
    assert data.id == aux["Digest"]
    assert data.has_platform("linux/amd64") or data.attrs["Platforms"]

    client.images.remove(f"{name}:1")
    pulled = client.images.pull(name, tag="1", auth_config=ACCOUNT)
    assert pulled.id == image.id
    assert f"{name}@{aux['Digest']}" in pulled.attrs["RepoDigests"]
    by_digest = client.images.pull(name, tag=aux["Digest"], auth_config=ACCOUNT)
    assert by_digest.id == image.id
    assert client.containers.run(f"{name}:1", ["echo", "there"], remove=True, network_mode="none") == b"there\n"
    client.images.remove(f"{name}:1")


def test_without_a_password_nothing_goes(client, registry, busybox):
    name = f"{registry.address}/py/other"
    assert client.images.get(busybox).tag(name, "1")
    nobody = {"username": "ann", "password": "wrong"}
    pushed = lines(client.images.push(name, tag="1", auth_config=nobody))
    assert [line for line in pushed if "error" in line], pushed
    with pytest.raises(docker.errors.APIError) as refused:
        client.images.pull(name, tag="1", auth_config=nobody)
    assert refused.value.status_code in (401, 404, 500)
    client.images.remove(f"{name}:1")


def test_all_tags(client, registry, busybox):
    name = f"{registry.address}/py/many"
    for tag in ("a", "b"):
        assert client.images.get(busybox).tag(name, tag)
    pushed = lines(client.images.push(name, auth_config=ACCOUNT))
    assert {line["aux"]["Tag"] for line in pushed if "aux" in line} == {"a", "b"}
    for tag in ("a", "b"):
        client.images.remove(f"{name}:{tag}")
    found = client.images.pull(name, all_tags=True, auth_config=ACCOUNT)
    assert {tag for image in found for tag in image.tags if tag.startswith(name)} == {f"{name}:a", f"{name}:b"}
    for tag in ("a", "b"):
        client.images.remove(f"{name}:{tag}")


def test_what_is_told_on_the_way(client, registry, busybox):
    name = f"{registry.address}/py/told"
    assert client.images.get(busybox).tag(name, "1")
    pushed = list(client.api.push(name, tag="1", stream=True, decode=True, auth_config=ACCOUNT))
    assert pushed[0]["status"].startswith("The push refers to repository")
    assert client.api.inspect_distribution(f"{name}:1", auth_config=ACCOUNT)["Descriptor"]["size"] > 100
    client.images.remove(f"{name}:1")
    pulled = list(client.api.pull(name, tag="1", stream=True, decode=True, auth_config=ACCOUNT))
    assert pulled[-1]["status"].startswith("Status: ") and pulled[-2]["status"].startswith("Digest: sha256:")
    data = client.images.get_registry_data(f"{name}:1", auth_config=ACCOUNT)
    assert data.short_id and data.reload() is None
    client.images.remove(f"{name}:1")
    again = client.images.pull(name, tag="1", platform="linux/" + client.info()["Architecture"].replace("x86_64", "amd64"), auth_config=ACCOUNT)
    assert f"{name}:1" in again.tags
    client.images.remove(f"{name}:1")
    assert data.pull().id == again.id
    client.images.remove(again.attrs["RepoDigests"][0])

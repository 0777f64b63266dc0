"""What docker-py learns about the engine."""

import docker
import pytest


def test_ping_version_and_info(client):
    assert client.ping() is True
    version = client.version()
    assert version["Os"] == "linux"
    assert tuple(map(int, version["ApiVersion"].split("."))) >= (1, 43)
    info = client.info()
    assert info["OSType"] == "linux"
    assert info["NCPU"] >= 1
    assert info["MemTotal"] > 0


def test_a_version_from_the_future_is_refused(daemon):
    with pytest.raises(docker.errors.APIError) as refused:
        docker.DockerClient(base_url=daemon.host, version="1.99").ping()
        docker.DockerClient(base_url=daemon.host, version="1.99").containers.list()
    assert "too new" in str(refused.value)

"""Builds through docker-py."""

import io

import docker
import pytest


def test_a_context_becomes_an_image(client, busybox, tmp_path):
    (tmp_path / "file").write_text("content\n")
    (tmp_path / "left-out").write_text("x")
    (tmp_path / ".dockerignore").write_text("left-out\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {busybox}\nARG WORD\nCOPY . /all/\nRUN echo $WORD > /word\nCMD cat /word /all/file; ls /all\n"
    )
    image, lines = client.images.build(
        path=str(tmp_path), tag="py-build:1", buildargs={"WORD": "said"}, labels={"own": "1"}, network_mode="none", rm=True
    )
    texts = "".join(line.get("stream", "") for line in lines)
    assert "Step 4/5 : RUN echo $WORD > /word" in texts and "Successfully tagged py-build:1" in texts
    assert image.labels == {"own": "1"} and image.tags == ["py-build:1"]
    output = client.containers.run("py-build:1", remove=True, network_mode="none")
    assert output == b"said\ncontent\nDockerfile\nfile\n"
    client.images.remove("py-build:1")


def test_a_dockerfile_alone(client, busybox):
    dockerfile = io.BytesIO(f"FROM {busybox}\nENV A=1\n".encode())
    image, _ = client.images.build(fileobj=dockerfile, quiet=True)
    assert "A=1" in image.attrs["Config"]["Env"]


def test_what_fails_is_said(client, busybox):
    dockerfile = io.BytesIO(f"FROM {busybox}\nRUN exit 4\n".encode())
    with pytest.raises(docker.errors.BuildError) as failed:
        client.images.build(fileobj=dockerfile, network_mode="none")
    assert "returned a non-zero code: 4" in str(failed.value)


def test_prune_forgets(client, busybox):
    dockerfile = f"FROM {busybox}\nRUN echo kept > /kept\n".encode()
    client.images.build(fileobj=io.BytesIO(dockerfile), network_mode="none")
    pruned = client.api.prune_builds()
    assert pruned["CachesDeleted"] and pruned["SpaceReclaimed"] > 0

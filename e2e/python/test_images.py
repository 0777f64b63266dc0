"""Images through docker-py."""

import docker
import pytest


def test_listing_and_inspecting(client, busybox):
    image = client.images.get(busybox)
    assert busybox in image.tags
    assert image.attrs["Os"] == "linux"
    assert image.id in {one.id for one in client.images.list()}
    assert any("hello-world:latest" in one.tags for one in client.images.list())


def test_tagging_and_removing(client, busybox):
    image = client.images.get(busybox)
    assert image.tag("py/other", "v1")
    assert "py/other:v1" in client.images.get("py/other:v1").tags
    client.images.remove("py/other:v1")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("py/other:v1")
    client.images.get(busybox)


def test_import_with_changes(client):
    from conftest import busybox_root

    client.api.import_image_from_data(busybox_root(), repository="py-import", tag="1", changes=["ENV A=imported", 'CMD ["sh", "-c", "echo $A"]'])
    assert client.containers.run("py-import:1", remove=True, network_mode="none") == b"imported\n"
    client.images.remove("py-import:1")


def test_a_registry_that_is_not_there_is_named(client):
    with pytest.raises(docker.errors.APIError) as refused:
        client.images.pull("127.0.0.1:1/py-no-such-image", tag="latest")
    assert "cannot reach the registry at" in str(refused.value)

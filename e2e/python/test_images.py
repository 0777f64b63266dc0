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


def test_history_prune_and_disk_usage(client, containers):
    container = containers(["sh", "-c", "echo 1234567 >/file"], name="py-df")
    container.start()
    container.wait()
    image = container.commit(repository="py-df", tag="1", message="why", author="me", changes="ENV A=b")
    assert image.tags == ["py-df:1"]
    steps = image.history()
    assert steps[0]["Comment"] == "why" and steps[0]["Size"] == 8 and steps[0]["Id"] == image.id
    assert client.containers.run("py-df:1", ["cat", "/file"], remove=True, network_mode="none") == b"1234567\n"
    usage = client.df()
    mine = [one for one in usage["Images"] if one["Id"] == image.id]
    assert mine[0]["Size"] - mine[0]["SharedSize"] == 8 and mine[0]["Containers"] == 0
    assert [one["SizeRw"] for one in usage["Containers"] if one["Names"] == ["/py-df"]] == [8]
    assert usage["LayersSize"] > 8
    client.images.remove("py-df:1")
    assert client.images.prune(filters={"label": "py-no-such-label"}) == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    assert client.containers.prune(filters={"label": "py-no-such-label"})["ContainersDeleted"] is None


def test_commit_with_a_configuration(client, containers):
    container = containers(["true"], name="py-commit", environment={"KEPT": "1"})
    image = container.commit(conf={"Cmd": ["sh", "-c", "echo $KEPT $OWN"], "Env": ["OWN=2"]}, pause=False)
    assert image.tags == []
    assert client.containers.run(image.id, remove=True, network_mode="none") == b"1 2\n"
    client.images.remove(image.id)


def test_archives_both_ways(client, busybox):
    image = client.images.get(busybox)
    assert image.tag("py-archive", "1")
    saved = b"".join(client.images.get("py-archive:1").save(named=True))
    client.images.remove("py-archive:1")
    loaded = client.images.load(saved)
    assert [one.id for one in loaded] == [image.id]
    assert client.containers.run("py-archive:1", ["echo", "back"], remove=True, network_mode="none") == b"back\n"
    assert b"".join(client.api.get_image("py-archive:1")) == saved
    assert "py-archive:1" in client.images.get("py-archive:1").tags
    client.images.remove("py-archive:1")


def test_what_images_say(client, busybox):
    image = client.images.get(busybox)
    assert image.short_id == image.id[: len("sha256:") + 12]
    assert isinstance(image.labels, dict)
    image.reload()
    assert client.api.inspect_image(busybox)["Id"] == image.id
    assert client.api.history(busybox)[0]["Id"] == image.id
    assert [one["Id"] for one in client.api.images(name=busybox)] == [image.id]
    assert client.api.images(name=busybox, quiet=True) == [image.id]
    assert image.id in {one.id for one in client.images.list(all=True)}
    assert not client.images.list(filters={"label": "py-none"})
    assert [one.id for one in client.images.list(name=busybox, filters={"dangling": False})] == [image.id]


def test_removing_through_an_image(client, busybox):
    image = client.images.get(busybox)
    assert client.api.tag(busybox, "py-removed", "1", force=True)
    client.api.remove_image("py-removed:1", force=True, noprune=True)
    made = client.images.load(b"".join(image.save(named="pybox:latest")))[0]
    assert made.id == image.id
    assert client.api.import_image_from_data(one_file(), repository="py-gone", tag="1")
    gone = client.images.get("py-gone:1")
    gone.remove(force=True)
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get(gone.id)
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.remove("py-gone:1")


def one_file():
    """An archive with one file in it."""
    import io
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"text"))
    return archive.getvalue()


def test_imports_of_every_kind(client, tmp_path):
    archive = tmp_path / "root.tar"
    archive.write_bytes(one_file())
    client.api.import_image_from_file(str(archive), repository="py-kind", tag="file")
    client.api.import_image(src=str(archive), repository="py-kind", tag="any")
    pieces = (piece for piece in [archive.read_bytes()])
    client.api.import_image_from_stream(pieces, repository="py-kind", tag="stream")
    for tag in ("file", "any", "stream"):
        image = client.images.get(f"py-kind:{tag}")
        assert image.attrs["RootFS"]["Layers"]
        client.images.remove(f"py-kind:{tag}")


def test_an_image_from_another(client, busybox):
    with pytest.raises(docker.errors.APIError) as refused:
        client.api.import_image_from_image("127.0.0.1:1/py-none", repository="py-copy", tag="1")
    assert "cannot reach the registry at" in str(refused.value)


def test_search_at_a_registry_that_offers_none(client):
    with pytest.raises(docker.errors.APIError):
        client.images.search("127.0.0.1:1/py-none", limit=3)

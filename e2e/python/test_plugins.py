"""Managed plugins through docker-py: made of a folder, set, started in vain, and removed.

What plugins are good for when they run is tested in `tests/it/plugins.rs`.
"""

import json

import docker
import pytest

NAME = "team/idle:latest"
CONFIG = {
    "description": "a plugin that cannot go on",
    "entrypoint": ["/bin/busybox", "sh", "-c", "echo no room at the inn >&2; exit 3"],
    "interface": {"types": ["docker.dummy/1.0"], "socket": "idle.sock"},
    "env": [{"name": "WORD", "value": "one", "settable": ["value"]}, {"name": "FIXED", "value": "1"}],
    "linux": {"capabilities": []},
    "network": {"type": "none"},
}


@pytest.fixture
def data(tmp_path):
    """A folder as `plugin create` takes it."""
    program = tmp_path / "rootfs/bin/busybox"
    program.parent.mkdir(parents=True)
    with open("/bin/busybox", "rb") as busybox:
        program.write_bytes(busybox.read())
    program.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return str(tmp_path)


@pytest.fixture
def plugin(client, data):
    assert client.api.create_plugin(NAME, data) is True
    yield client.plugins.get(NAME)
    try:
        client.api.remove_plugin(NAME, force=True)
    except docker.errors.NotFound:
        pass


def test_a_plugin_is_listed_and_inspected(client, plugin):
    assert plugin.name == NAME
    assert plugin.enabled is False
    assert plugin.settings["Env"] == ["WORD=one", "FIXED=1"]
    assert [it.name for it in client.plugins.list()] == [NAME]
    assert client.api.inspect_plugin(NAME)["Config"]["Description"] == CONFIG["description"]
    with pytest.raises(docker.errors.NotFound):
        client.plugins.get("nobody")


def test_what_is_settable_is_set(client, plugin):
    plugin.configure({"WORD": "two"})
    assert client.plugins.get(NAME).settings["Env"][0] == "WORD=two"
    with pytest.raises(docker.errors.APIError) as refused:
        plugin.configure({"FIXED": "2"})
    assert "not settable" in str(refused.value)


def test_one_that_cannot_start_says_why(client, plugin):
    with pytest.raises(docker.errors.APIError) as failed:
        plugin.enable(timeout=5)
    assert "no room at the inn" in str(failed.value)
    plugin.reload()
    assert plugin.enabled is False
    with pytest.raises(docker.errors.APIError) as refused:
        plugin.disable()
    assert "is disabled" in str(refused.value)


def test_a_plugin_is_pushed_nowhere(client, plugin):
    with pytest.raises(docker.errors.APIError):
        list(client.api.push_plugin("127.0.0.1:1/team/none:1"))


def test_a_plugin_is_removed_when_it_is_disabled(client, plugin):
    plugin.remove()
    assert client.plugins.list() == []
    with pytest.raises(docker.errors.NotFound):
        client.api.remove_plugin(NAME)


def test_privileges_of_what_no_registry_has(client):
    with pytest.raises(docker.errors.APIError):
        client.api.plugin_privileges("127.0.0.1:1/team/none:1")

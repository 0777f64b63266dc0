"""The life of a container through docker-py."""

import docker
import pytest

from conftest import poll


def test_run_returns_the_output(client, busybox):
    output = client.containers.run(busybox, ["echo", "hello"], remove=True, network_mode="none")
    assert output == b"hello\n"


def test_run_raises_with_the_exit_code_and_stderr(client, busybox):
    with pytest.raises(docker.errors.ContainerError) as failed:
        client.containers.run(busybox, ["sh", "-c", "echo bad >&2; exit 3"], remove=True, network_mode="none")
    assert failed.value.exit_status == 3
    assert b"bad" in failed.value.stderr


def test_create_start_wait_logs_remove(containers):
    container = containers(["sh", "-c", "echo out; echo err >&2; exit 4"], name="py-life")
    assert container.status == "created"
    container.start()
    assert container.wait()["StatusCode"] == 4
    assert container.logs(stdout=True, stderr=False) == b"out\n"
    assert container.logs(stdout=False, stderr=True) == b"err\n"
    container.reload()
    assert container.status == "exited"
    assert container.attrs["State"]["ExitCode"] == 4
    container.remove()
    with pytest.raises(docker.errors.NotFound):
        container.reload()


def test_options_arrive(containers):
    container = containers(
        ["sh", "-c", "echo $A; pwd; id -un; hostname"],
        environment={"A": "1"},
        working_dir="/tmp",
        user="app",
        hostname="box",
        labels={"k": "v"},
        mem_limit="64m",
        cap_drop=["ALL"],
        read_only=True,
    )
    container.start()
    assert container.wait()["StatusCode"] == 0
    assert container.logs() == b"1\n/tmp\napp\nbox\n"
    container.reload()
    assert container.labels == {"k": "v"}
    assert container.attrs["HostConfig"]["Memory"] == 64 << 20


def test_stop_restart_kill(containers):
    container = containers(["sleep", "1000"], stop_signal="KILL")
    container.start()
    container.restart(timeout=0)
    container.reload()
    assert container.status == "running"
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.start()
    container.stop(timeout=1)
    container.reload()
    assert container.status == "exited"


def test_exec_run(containers):
    container = containers(["sleep", "1000"])
    container.start()
    code, output = container.exec_run(["sh", "-c", "echo inside; exit 7"])
    assert (code, output) == (7, b"inside\n")
    code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (code, out, err) == (0, b"o\n", b"e\n")
    code, output = container.exec_run(["id", "-un"], user="app")
    assert output == b"app\n"


@pytest.mark.parametrize("start_tty", [False, True])
@pytest.mark.parametrize("create_tty", [False, True])
def test_exec_start_s_tty_decides_on_frames(client, containers, create_tty, start_tty):
    container = containers(["sleep", "1000"])
    container.start()
    command = ["sh", "-c", "echo hello world; echo err >&2; [ -t 1 ]"]
    made = client.api.exec_create(container.id, command, tty=create_tty)
    output = client.api.exec_start(made, tty=start_tty)
    end = "\r\n" if create_tty else "\n"
    # Without a terminal nothing orders the two streams.
    assert sorted(output.decode().split(end)) == ["", "err", "hello world"]
    assert client.api.exec_inspect(made["Id"])["ExitCode"] == (0 if create_tty else 1)

    if not start_tty:
        made = client.api.exec_create(container.id, command, tty=create_tty)
        out, err = client.api.exec_start(made, demux=True)
        assert (out, err) == ((b"hello world\r\nerr\r\n", None) if create_tty else (b"hello world\n", b"err\n"))


@pytest.mark.parametrize("start_tty", [False, True])
def test_exec_start_tells_a_failure_as_its_tty_says(client, containers, start_tty):
    container = containers(["sleep", "1000"])
    container.start()
    made = client.api.exec_create(container.id, ["no-such-program"], tty=not start_tty)
    output = client.api.exec_start(made, tty=start_tty)
    assert output.startswith(b"OCI runtime exec failed"), output


def test_following_logs_ends_with_the_container(containers):
    container = containers(["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"])
    container.start()
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"


def test_attach_with_input(containers):
    container = containers(["cat"], stdin_open=True)
    socket = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    raw = getattr(socket, "_sock", socket)
    raw.sendall(b"through\n")
    header = raw.recv(8)
    assert header[0] == 1 and int.from_bytes(header[4:], "big") == 8
    assert raw.recv(8) == b"through\n"
    socket.close()


def test_listing_and_filters(client, containers):
    one = containers(["sleep", "1000"], labels=["py-list"])
    two = containers(["true"], labels=["py-list"])
    one.start()
    two.start()
    two.wait()
    poll("the second to be listed as exited", lambda: client.containers.list(all=True, filters={"label": "py-list", "status": "exited"}))
    assert {c.id for c in client.containers.list(all=True, filters={"label": "py-list"})} == {one.id, two.id}
    assert [c.id for c in client.containers.list(filters={"label": "py-list"})] == [one.id]


def test_rename(client, containers):
    container = containers(["true"], name="py-before")
    container.rename("py-after")
    assert client.containers.get("py-after").id == container.id
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("py-before")


def test_errors_have_docker_s_statuses(client, containers):
    with pytest.raises(docker.errors.ImageNotFound):
        client.containers.create("py-no-such-image")
    container = containers(["no-such-program"], name="py-taken")
    with pytest.raises(docker.errors.APIError) as conflict:
        client.containers.create("pybox", name="py-taken")
    assert conflict.value.status_code == 409
    with pytest.raises(docker.errors.APIError) as failed:
        container.start()
    assert "executable file not found" in str(failed.value)
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("py-ghost")


def test_diff_and_export(containers):
    import io
    import tarfile

    container = containers(["sh", "-c", "echo new >/new; rm /etc/passwd; ln -s /etc/shadow /link"], name="py-export")
    assert container.diff() is None
    container.start()
    container.wait()
    changes = {(one["Kind"], one["Path"]) for one in container.diff()}
    assert changes == {(1, "/new"), (0, "/etc"), (2, "/etc/passwd"), (1, "/link")}
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as archive:
        assert archive.extractfile("new").read() == b"new\n"
        assert archive.getmember("link").linkname == "/etc/shadow"
        assert "etc/passwd" not in archive.getnames() and "etc/group" in archive.getnames()

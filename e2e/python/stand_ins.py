"""Images that clients' suites take for granted, made here: nothing can be pulled from outside.

`busybox`, `alpine` and `httpd` are Debian's busybox-static; `ryuk` is a reaper for testcontainers, which speaks the
protocol of theirs and removes by Docker's command line. The registry has some of them under the names that bollard's
tests use.
"""

import contextlib
import io
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile

from conftest import busybox_root, poll

# `bollard` with the password `secret`, as `htpasswd -B` writes it.
BOLLARD = "bollard:$2y$05$AqS3mRUmAumLGxPexAKfV.3ZnquX7v8eTUoCrytks0vjqulE3rhqq\n"

UHTTPD = "#!/bin/sh\nexec httpd \"$@\"\n"
UHTTPD_CONFIG = "\nconfig uhttpd main\n\tlist listen_http 0.0.0.0:80\n"

# One connection, lines of filters, each answered; at its end what they name goes, and the reaper too.
RYUK = """#!/bin/sh
export DOCKER_HOST=unix:///var/run/docker.sock
filters=
while read -r line; do
    for filter in $(echo "$line" | tr -d '\\r' | tr '&' ' '); do filters="$filters --filter $(unescape "$filter")"; done
    echo ACK
done
for id in $(docker ps -aq $filters); do docker rm -fv "$id"; done >/dev/null
for id in $(docker network ls -q $filters); do docker network rm "$id"; done >/dev/null
for id in $(docker volume ls -q $filters); do docker volume rm "$id"; done >/dev/null
for id in $(docker image ls -q $filters); do docker rmi -f "$id"; done >/dev/null
"""
UNESCAPE = "#!/bin/sh\nprintf '%b\\n' \"$(echo \"$1\" | sed 's/+/ /g; s/%/\\\\x/g')\"\n"


def with_files(root, files):
    """The archive with these files more: path → (content, mode)."""
    archive = io.BytesIO(root)
    with tarfile.open(fileobj=archive, mode="a", format=tarfile.PAX_FORMAT) as tar:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def docker_cli():
    """Docker's command line, and the libraries that it is linked with: path in the image → (content, mode)."""
    unpacked = pathlib.Path(__file__).resolve().parents[2] / "target/testdata/docker-cli/usr/bin/docker"
    program = shutil.which("docker") or str(unpacked)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    libraries = [word for line in listed.splitlines() for word in line.split() if word.startswith("/")]
    files = {"bin/docker": program} | {library.lstrip("/"): library for library in libraries}
    return {name: (pathlib.Path(path).read_bytes(), 0o755) for name, path in files.items()}


def load(client):
    """Puts them into a daemon."""
    root = busybox_root()

    def make(repository, files, *changes):
        archive = with_files(root, files) if files else root
        client.api.import_image_from_data(archive, repository=repository, tag="latest", changes=list(changes))

    make("busybox", {}, 'CMD ["sh"]')
    client.images.get("busybox").tag("alpine", "latest")
    web = {
        "usr/sbin/run_uhttpd": (UHTTPD.encode(), 0o755),
        "etc/config/uhttpd": (UHTTPD_CONFIG.encode(), 0o644),
        "www/index.html": (b"at your service\n", 0o644),
    }
    make("uhttpd", web, "EXPOSE 80", 'CMD ["httpd", "-f", "-v", "-p", "80", "-h", "/www"]')
    hello = "#!/bin/sh\necho\necho Hello from Docker!\n"
    make("hello", {"hello": (hello.encode(), 0o755)}, 'CMD ["/hello"]')
    reaper = {"bin/reap": (RYUK.encode(), 0o755), "bin/unescape": (UNESCAPE.encode(), 0o755), **docker_cli()}
    started = "echo Started; exec nc -l -p 8080 -e /bin/reap"
    make("ryuk", reaper, "EXPOSE 8080", f'CMD ["sh", "-c", "{started}"]')


@contextlib.contextmanager
def registry(client):
    """A registry at localhost:5000 that asks for a password, with images in it; the settings that bollard's tests read."""
    with tempfile.TemporaryDirectory(prefix="gantry-e2e-registry-") as folder:
        pathlib.Path(folder, "users").write_text(BOLLARD)
        pathlib.Path(folder, "config.yml").write_text(
            "version: 0.1\nlog: {level: error}\nhttp: {addr: 'localhost:5000'}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/store}}, delete: {{enabled: true}}}}\n"
            f"auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}\n"
        )
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", f"{folder}/config.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            poll("the registry to answer", lambda: answers(process))
            account = {"username": "bollard", "password": "secret"}
            for image, name, tag in (
                ("hello", "hello-world", "linux"),
                ("uhttpd", "fussybeaver/uhttpd", "latest"),
                ("alpine", "alpine", "latest"),
            ):
                client.images.get(image).tag(f"localhost:5000/{name}", tag)
                said = client.images.push(f"localhost:5000/{name}", tag=tag, auth_config=account)
                assert "errorDetail" not in said, said
                client.images.remove(f"localhost:5000/{name}:{tag}")
            yield {"REGISTRY_HTTP_ADDR": "localhost:5000", "REGISTRY_PASSWORD": "secret"}
        finally:
            process.kill()
            process.wait()


def answers(process):
    assert process.poll() is None
    with contextlib.suppress(OSError):
        socket.create_connection(("localhost", 5000), 1).close()
        return True
    return False

"""Runs a command that speaks to a gantryd of its own: `with_daemon.py COMMAND…`.

Both are in a network namespace that plays a host, so that the command reaches published ports as on any machine.
DOCKER_HOST names the daemon. It has the images that a suite takes for granted (`stand_ins.py`), made here; with
`--registry` they are also in a registry that asks for a password, REGISTRY_HTTP_ADDR and REGISTRY_PASSWORD.
"""

import os
import subprocess
import sys

import docker

import stand_ins
from conftest import running_daemon

INSIDE = "GANTRY_E2E_HAS_HOST"


def main(words):
    if not words or words == ["--registry"]:
        sys.exit("usage: with_daemon.py [--registry] COMMAND…")
    if INSIDE not in os.environ:
        script = 'ip link set lo up && exec "$@"'
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, __file__, *words])
    with_registry = words[0] == "--registry"
    command = words[1:] if with_registry else words
    with running_daemon("with", has_host="here") as daemon:
        client = docker.DockerClient(base_url=daemon.host)
        stand_ins.load(client)
        environment = {**os.environ, "DOCKER_HOST": daemon.host, "DOCKER_CONFIG": f"{daemon.folder}/docker-config"}
        if not with_registry:
            return subprocess.run(command, env=environment, check=False).returncode
        with stand_ins.registry(client) as settings:
            return subprocess.run(command, env={**environment, **settings}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

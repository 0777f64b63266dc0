"""Fuzzes the Engine API of a gantryd of its own from its OpenAPI description, with schemathesis.

    fuzz.py [--seconds N] [--seed N] [--record FILE]

Beside the fuzzer somebody asks for one container all the time: whatever is asked, his answers come. At the end the
daemon has neither panicked nor grown, and what the fuzzer made can be removed without a rest.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path.insert(0, str(CHECKOUT / "e2e/python"))

import docker  # noqa: E402
from conftest import busybox_root, running_daemon  # noqa: E402

INSIDE = "GANTRY_FUZZ_INSIDE"
PORT = 2375
# What the daemon may have more after it than before: allocators keep pages.
GROWTH_MAX_KIB = 64 * 1024
# What others may wait for an answer about one container while two cores are shared with the fuzzer.
WAIT_MAX_S = 10
DESCRIPTION = CHECKOUT / "edge/docker-http/openapi.yaml"


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def lay_out(client):
    """The objects that the description names."""
    client.api.import_image_from_data(busybox_root(), repository="busybox", tag="latest", changes=['CMD ["sh"]'])
    client.images.get("busybox").tag("fuzzed", "1")
    client.volumes.create("fuzzed")
    client.networks.create("fuzzed")
    command = ["sh", "-c", "trap exit TERM; while :; do echo line; sleep 1; done"]
    client.containers.run("busybox", command, name="fuzzed", detach=True, network="fuzzed")
    client.containers.run("busybox", command, name="fuzzed-tty", detach=True, tty=True, network_mode="none")
    client.containers.run("busybox", ["true"], name="fuzzed-stopped", detach=True, network_mode="none").wait()
    client.containers.run("busybox", ["sleep", "100000"], name="bystander", detach=True, network_mode="none")
    return client.api.exec_create("fuzzed", ["true"])["Id"]


class Bystander(threading.Thread):
    """Asks for a container that nobody else touches, and notes how long that took."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.client, self.waits, self.wrong, self.over = docker.DockerClient(base_url=host, timeout=60), [], [], threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            begin = time.monotonic()
            try:
                self.client.api.inspect_container("bystander")
            except Exception as error:  # whatever it is, it is what we look for
                self.wrong.append(repr(error))
                return
            self.waits.append(time.monotonic() - begin)


def clean(client):
    """Removes what the fuzzer made, and what it worked with."""
    for container in client.containers.list(all=True, ignore_removed=True):
        container.remove(force=True, v=True)
    client.networks.prune()
    for volume in client.volumes.list():
        volume.remove(force=True)
    for image in client.images.list(all=True):
        try:
            client.images.remove(image.id, force=True)
        except docker.errors.ImageNotFound:
            pass


def leftovers(daemon):
    folder = pathlib.Path(daemon.folder)
    places = [folder / "data/rw", folder / "data/containers", folder / "data/volumes"]
    left = [str(entry) for place in places if place.is_dir() for entry in place.iterdir()]
    bundles = folder / "exec/containers"
    left += [str(entry) for entry in bundles.iterdir() if not entry.name.startswith(".")] if bundles.is_dir() else []
    mounts = pathlib.Path(f"/proc/{daemon.process.pid}/mountinfo").read_text().splitlines()
    return left + [line for line in mounts if daemon.folder in line]


def fuzz(seconds, seed, environment):
    words = ["--max-time", str(seconds), "--seed", str(seed)]
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(DESCRIPTION), *words]
    command += ["--url", f"http://127.0.0.1:{PORT}", "--request-timeout", "30", "--workers", "2", "--continue-on-failure"]
    command += ["--checks", "no_internal_error,an_error_is_a_message,an_answer_comes", "--phases", "fuzzing"]
    command += ["--suppress-health-check", "all", "--warnings", "off", "--no-color"]
    environment = {**os.environ, **environment, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=environment, cwd="/tmp", stdout=output, stderr=output)
        try:
            # Its time is a wish of it: what it has begun it brings to an end.
            code = process.wait(timeout=2 * seconds + 120)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        output.seek(0)
        return code, output.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--record")
    asked = parser.parse_args()
    if INSIDE not in os.environ:
        # A host of its own: networks and mounts that the fuzzer brings about are nobody else's.
        script = 'ip link set lo up && exec "$@"'
        inside = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*inside, sys.executable, __file__, *sys.argv[1:]])
    flags = ["--host", f"tcp://127.0.0.1:{PORT}", "--tls=false"]
    with running_daemon("fuzz", has_host="here", flags=flags) as daemon:
        sys.exit(run(asked, daemon))


def run(asked, daemon):
    client = docker.DockerClient(base_url=daemon.host, timeout=60)
    execution = lay_out(client)
    before = resident_kib(daemon.process.pid)
    bystander = Bystander(daemon.host)
    bystander.start()
    begin = time.monotonic()
    code, said = fuzz(asked.seconds, asked.seed, {"FUZZ_EXEC": execution})
    took = time.monotonic() - begin
    bystander.over.set()
    bystander.join()
    wrong = list(bystander.wrong)
    if daemon.process.poll() is not None:
        wrong.append(f"the daemon has ended: {daemon.process.returncode}")
    else:
        wrong += look_after(client, daemon)
    after = resident_kib(daemon.process.pid) if daemon.process.poll() is None else 0
    if after > before + GROWTH_MAX_KIB:
        wrong.append(f"the daemon grew from {before} to {after} KiB")
    longest = max(bystander.waits, default=0)
    if longest > WAIT_MAX_S:
        wrong.append(f"another client waited {longest:.1f} s")
    log = pathlib.Path(daemon.folder, "gantryd.log").read_text(errors="replace")
    wrong += [line for line in log.splitlines() if "panicked" in line or "task failed" in line]
    if code != 0:
        print(said[-20_000:])
        wrong.append("schemathesis found failures")
    cases = re.search(r"([\d,]+) generated", said)
    report = [
        f"{asked.seconds} s of schemathesis, seed {asked.seed}: {cases[1] if cases else '?'} requests, {took:.0f} s",
        f"daemon's resident memory: {before} KiB before, {after} KiB after everything was removed",
        f"{len(bystander.waits)} questions of another client meanwhile: median "
        f"{1000 * sorted(bystander.waits)[len(bystander.waits) // 2]:.1f} ms, longest {1000 * longest:.0f} ms",
    ]
    print("\n".join(report))
    for line in wrong:
        print(f"WRONG: {line}")
    if asked.record and not wrong:
        date = datetime.datetime.now(datetime.timezone.utc).strftime("%F %R UTC")
        page = "# The API, fuzzed\n\nMade by `make fuzz-api`: what is asked is told in `e2e/fuzz`.\n\n"
        page += f"- date: {date}\n- machine: {os.cpu_count()} cores, Linux {os.uname().release}\n\n```\n"
        pathlib.Path(asked.record).write_text(page + "\n".join(report) + "\n```\n")
    return 1 if wrong else 0


def look_after(client, daemon):
    """Everything can be removed, and then nothing is left."""
    try:
        clean(client)
    except Exception as error:
        return [f"what the fuzzer made cannot be removed: {error!r}"]
    deadline = time.monotonic() + 20
    left = leftovers(daemon)
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left = leftovers(daemon)
    return [f"left behind: {json.dumps(left)}"] if left else []


if __name__ == "__main__":
    main()

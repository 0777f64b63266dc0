"""What schemathesis is told beside the description: requests that would rightly go on for ever get an end, and what no
request may bring about is a failure."""

import io
import json
import os
import re
import tarfile
import time

import schemathesis
from hypothesis import strategies

# Of objects that run: an answer to these ends when they end, or when the client goes away.
ENDLESS = {"ContainerWait", "ContainerLogs", "ContainerStats", "ContainerAttach", "ContainerAttachWs"}
SLOW_CALL_S = float(os.environ.get("FUZZ_SLOW_CALL_S", "25"))


def operation_id(context):
    return (context.operation.definition.raw or {}).get("operationId", "")


def is_filter(text):
    try:
        return text is None or isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False


@schemathesis.hook
def map_query(context, query):
    query = dict(query or {})
    operation = operation_id(context)
    if operation == "SystemEvents":
        query["until"] = str(int(time.time()))
    if operation == "ContainerLogs":
        query["follow"] = "0"
    if operation in ("ContainerAttach", "ContainerAttachWs"):
        query["stream"] = "0"
    if operation == "ContainerStats":
        query["stream"] = "0"
    if operation in ("ContainerPrune", "ImagePrune", "NetworkPrune", "VolumePrune") and is_filter(query.get("filters")):
        # What the fuzzer works with stays.
        query["filters"] = '{"label":["nobody-has-it"]}'
    if operation in ("ContainerStop", "ContainerRestart") and "t" in query:
        # A container that does not listen has its time to the end.
        query["t"] = "0"
    return query


@schemathesis.hook
def map_path_parameters(context, parameters):
    parameters = dict(parameters or {})
    operation = operation_id(context)
    name = str(parameters.get("name", ""))
    if re.fullmatch("[0-9a-f]+", name):
        # The beginning of an id means the object: one whose end somebody waits for, or the bystander.
        parameters["name"] = f"no-{name}"
    if operation == "ContainerWait" and str(parameters.get("name", "")).startswith("fuzzed"):
        parameters["name"] = "fuzzed-stopped"
    if operation.startswith("Exec") and operation != "ExecCreate" and hash(str(parameters)) % 2:
        parameters["name"] = os.environ.get("FUZZ_EXEC", "0")
    return parameters


@schemathesis.hook
def filter_case(context, case):
    # What the fuzzer works with stays.
    operation = (case.operation.definition.raw or {}).get("operationId", "")
    keeps = {"ContainerRemove", "ContainerRename", "ImageRemove", "VolumeRemove", "VolumeRename", "NetworkRemove"}
    name = str((case.path_parameters or {}).get("name", ""))
    if operation in keeps and (name.startswith("fuzzed") or name.startswith("busybox")):
        return False
    if operation == "ContainerWait" and (case.query or {}).get("condition") in ("next-exit", "removed"):
        return not name.startswith("fuzzed")
    return True


@schemathesis.check
def no_internal_error(ctx, response, case):
    """Every request has an answer that says whose fault it is."""
    if response.status_code == 500:
        text = response.content[:500].decode("utf-8", "replace")
        # Docker's own words and status for a place that is not there, a program that cannot start, a remote that is away.
        if not any(words in text for words in EXPECTED):
            raise AssertionError(f"500: {text}")


# Docker's status for a remote that is away, too.
EXPECTED = ("cannot reach the registry", "cannot download http")


@schemathesis.check
def an_error_is_a_message(ctx, response, case):
    """Clients read `message` of every error."""
    if response.status_code >= 400 and case.method.upper() != "HEAD" and response.content:
        kind = response.headers.get("content-type", [""])
        kind = kind[0] if isinstance(kind, list) else kind
        if kind != "application/json":
            raise AssertionError(f"{response.status_code} is told as {kind!r}: {response.content[:200]!r}")
        document = response.json()
        assert list(document) == ["message"] and document["message"], document


@schemathesis.check
def an_answer_comes(ctx, response, case):
    """No request waits for ever."""
    assert response.elapsed < SLOW_CALL_S, f"{response.elapsed} s"


NAMES = strategies.sampled_from(["Dockerfile", "manifest.json", "index.json", "oci-layout", "config.json", "rootfs/a"])
KINDS = strategies.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
# What a hostile archive tries.
PATHS = NAMES | strategies.sampled_from(["../up", "/absolute", "a/../../b", "etc/passwd", ".wh.x", ".wh..wh..opq", "a" * 300]) | strategies.text(max_size=20)
CONTENTS = strategies.binary(max_size=200) | strategies.sampled_from([b"FROM busybox\nRUN true\n", b"FROM scratch\nCOPY . /\n", b"{}", b"[]", b'[{"Config":"config.json","Layers":[]}]'])


@strategies.composite
def archives(draw):
    """A tar archive, and now and then what is left of one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for _ in range(draw(strategies.integers(0, 4))):
            entry = tarfile.TarInfo(draw(PATHS).replace("\0", "") or "a")
            entry.type, entry.linkname = draw(KINDS), draw(PATHS).replace("\0", "")
            content = draw(CONTENTS) if entry.type == tarfile.REGTYPE else b""
            entry.size, entry.mode = len(content), draw(strategies.integers(0, 0o7777))
            tar.addfile(entry, io.BytesIO(content))
    archive = bytearray(file.getvalue())
    for _ in range(draw(strategies.integers(0, 3))):
        archive[draw(strategies.integers(0, len(archive) - 1))] = draw(strategies.integers(0, 255))
    return bytes(archive[: draw(strategies.integers(0, len(archive)) | strategies.just(len(archive)))])


schemathesis.openapi.media_type("application/x-tar", archives() | strategies.binary(max_size=2000))


@schemathesis.serializer("application/x-tar")
def serialize_archive(context, value):
    return value if isinstance(value, bytes) else str(value).encode()

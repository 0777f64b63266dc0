#!/usr/bin/python3
"""Plays CRIU's side of its RPC for tests on kernels that the real one does not know.

A dump kills the process and notes the request down; a restore makes a new process with the root, the binds and the
rights that it is told, or with others: what it does wrong stands in the file `manner` beside this script.
"""
import ctypes
import json
import os
import socket
import struct
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
MANNER = open(os.path.join(HERE, "manner")).read().strip()
LIBC = ctypes.CDLL(None, use_errno=True)
DUMP, RESTORE, PRE_DUMP, NOTIFY, FEATURES, VERSION = 1, 2, 4, 6, 9, 10
NEW = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000}
NAMES = {
    1: "images_dir_fd", 2: "pid", 3: "leave_running", 7: "shell_job", 10: "log_file", 13: "root", 14: "parent_img",
    15: "track_mem", 17: "work_dir_fd", 23: "ext_mnt", 25: "cg_root", 26: "rst_sibling", 27: "inherit_fd",
    34: "manage_cgroups_mode", 37: "external", 38: "empty_ns", 44: "freeze_cgroup", 51: "config_file",
}
TEXTS, MESSAGES = {10, 13, 14, 37, 44, 51}, {23, 25, 27}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        found.append((key >> 3, value))
    return found


def options(data):
    told = {"ext_mnt": [], "inherit_fd": [], "external": [], "cg_root": []}
    for number, value in fields(data):
        name = NAMES.get(number, str(number))
        if number in MESSAGES:
            told[name].append([v.decode() if isinstance(v, bytes) else v for _, v in fields(value)])
        elif number == 37:
            told[name].append(value.decode())
        else:
            told[name] = value.decode() if number in TEXTS else value if isinstance(value, int) else repr(value)
    return told


def number(field, value):
    out, value = bytearray([field << 3]), value & (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def block(field, data):
    return bytes([field << 3 | 2, len(data)]) + data


def tell(script, pid=0, fd=None):
    """A notification; dies when it is not acknowledged, as the real one takes everything back then."""
    notify = block(1, script.encode()) + (number(2, pid) if pid else b"")
    message = number(1, NOTIFY) + number(2, 1) + block(5, notify)
    socket.send_fds(SOCKET, [message], [fd] if fd is not None else [])
    if dict(fields(SOCKET.recv(65536))).get(3) != 1:
        sys.exit(1)


def answer(kind, success, more=b""):
    SOCKET.send(number(1, kind) + number(2, int(success)) + more)


def work_file(told, name):
    return f"/proc/{PEER}/fd/{told['work_dir_fd']}/{name}"


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mount(source, target, kind, flags):
    check(LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, None))


def limit_rights():
    """CAP_CHOWN and CAP_KILL are left, as in the bundle, unless told otherwise."""
    kept = {0, 5} | ({7} if MANNER == "capabilities" else set())
    for capability in range(41):
        if capability not in kept:
            LIBC.prctl(24, capability, 0, 0, 0)
    bits = sum(1 << capability for capability in kept)
    header = struct.pack("Ii", 0x20080522, 0)
    check(LIBC.capset(header, struct.pack("IIIIII", bits, bits, 0, 0, 0, 0)))


def become_container(told, go):
    root = told["root"]
    binds = {name: place for name, place in told["ext_mnt"]}
    for name in ("/data", "/var/one"):
        if name in binds:
            mount(binds[name], root + name, "", 4096)
    if MANNER == "mount":
        mount("/", root + "/tmp", "", 4096)
    if MANNER == "loose":
        mount("tmpfs", root + "/dev", "tmpfs", 0)
    mount("proc", root + "/proc", "proc", 0)
    os.chdir(root)
    check(LIBC.pivot_root(b".", b"."))
    check(LIBC.umount2(b".", 2))
    if MANNER == "thread":
        # It keeps the rights that the first one gives up.
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    limit_rights()
    os.write(go[1], b"r")
    os.read(go[2], 1)
    os.execv("/bin/sh", ["sh", "-c", "echo ran >/tmp/ran; sleep 1000"])


def restore(told):
    flags = sum(NEW.values()) - (NEW["net"] if MANNER == "network" else 0)
    (ready, tells), (waits, goes) = os.pipe(), os.pipe()
    pid = check(LIBC.syscall(56, flags | 0x8000 | 17, 0, 0, 0, 0))
    if pid == 0:
        if MANNER != "dies":
            SOCKET.close()
        try:
            become_container(told, (ready, tells, waits))
        except BaseException as error:
            open("/proc/self/fd/2", "w").write(f"fake criu: {error!r}\n")
        os._exit(1)
    os.close(tells)
    if not os.read(ready, 1):
        answer(RESTORE, False)
        return
    tell("setup-namespaces", pid)
    if MANNER == "terminal":
        tell("orphan-pts-master", fd=os.openpty()[0])
    tell("post-restore", pid)
    if MANNER == "dies":
        os._exit(3)
    tell("pre-resume")
    os.write(goes, b"g")
    answer(RESTORE, True, block(4, number(1, pid)))


def dump(kind, told):
    images = f"/proc/{PEER}/fd/{told['images_dir_fd']}"
    told["environment"] = sorted(os.environ)
    told["descriptors"] = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
    told["own_socket"] = SOCKET.fileno()
    open(f"{images}/inventory.img", "w").write("x")
    tell("pre-dump")
    tell("network-lock")
    if MANNER == "fails":
        open(work_file(told, told["log_file"]), "w").write("(00.1) Error (criu/x.c:1): one thing\n(00.2) 7: Error (criu/y.c:2): another\n")
        answer(kind, False, number(7, 22))
        return
    json.dump(told, open(f"{images}/request.json", "w"))
    tell("post-dump")
    if kind == DUMP and not told.get("leave_running"):
        os.kill(told["pid"], 9)
    answer(kind, True)


SOCKET = socket.socket(fileno=int(sys.argv[2]))
PEER = struct.unpack("iII", SOCKET.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
REQUEST = SOCKET.recv(65536)
KIND = dict(fields(REQUEST))[1]
TOLD = options(dict(fields(REQUEST)).get(2, b""))
if KIND == VERSION:
    answer(VERSION, True, block(10, number(1, 3) + number(2, 99) + number(4, 0)))
elif KIND == FEATURES:
    answer(FEATURES, True, block(8, number(1, 1)))
elif KIND == RESTORE:
    restore(TOLD)
else:
    dump(KIND, TOLD)

"""A network and address plugin by Docker's protocols: pairs of devices without a bridge, and addresses counted from one.

It listens at the socket that its first argument names, and writes down what it was asked in the file of its second."""

import http.server
import ipaddress
import json
import os
import socketserver
import subprocess
import sys

SOCKET, JOURNAL = sys.argv[1:]
taken = {}
routes = {}
endpoints = {}


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def request_pool(question):
    pool = question["Pool"] or "10.77.0.0/24"
    taken.setdefault(pool, set())
    return {"PoolID": pool, "Pool": pool, "Data": {}}


def request_address(question):
    net = ipaddress.ip_network(question["PoolID"])
    used = taken[question["PoolID"]]
    wanted = question.get("Address")
    address = wanted or next((str(it) for it in net.hosts() if str(it) not in used), None)
    if address is None:
        return {"Err": "this pool is full"}
    used.add(address)
    return {"Address": f"{address}/{net.prefixlen}", "Data": {}}


def release_address(question):
    taken[question["PoolID"]].discard(question["Address"])
    return {}


def create_network(question):
    options = question["Options"]["com.docker.network.generic"]
    routes[question["NetworkID"]] = options.get("routes")
    return {"Err": "told to fail"} if options.get("fail") else {}


def join(question):
    static = {
        None: [],
        "yes": [
            {"Destination": "198.51.100.0/24", "RouteType": 1},
            {"Destination": "203.0.113.0/24", "RouteType": 0, "NextHop": "10.77.0.9"},
        ],
        "bad": [{"Destination": "203.0.113.0/24", "RouteType": 0}],
    }[routes[question["NetworkID"]]]
    name = "p" + question["EndpointID"][:10]
    ip("link", "add", name, "type", "veth", "peer", "name", "q" + name[1:])
    gateway = str(next(ipaddress.ip_network(endpoints[question["EndpointID"]], False).hosts()))
    return {
        "InterfaceName": {"SrcName": "q" + name[1:], "DstPrefix": "eth"},
        "Gateway": gateway,
        "StaticRoutes": static,
    }


def create_endpoint(question):
    endpoints[question["EndpointID"]] = question["Interface"]["Address"]
    return {}


def delete_endpoint(question):
    name = "p" + question["EndpointID"][:10]
    subprocess.run(["ip", "link", "del", name], check=False, stderr=subprocess.DEVNULL)
    return {}


ANSWERS = {
    "Plugin.Activate": lambda _: {"Implements": ["NetworkDriver", "IpamDriver"]},
    "NetworkDriver.CreateNetwork": create_network,
    "NetworkDriver.CreateEndpoint": create_endpoint,
    "NetworkDriver.DeleteEndpoint": delete_endpoint,
    "NetworkDriver.Join": join,
    "IpamDriver.GetDefaultAddressSpaces": lambda _: {
        "LocalDefaultAddressSpace": "here",
        "GlobalDefaultAddressSpace": "there",
    },
    "IpamDriver.RequestPool": request_pool,
    "IpamDriver.RequestAddress": request_address,
    "IpamDriver.ReleaseAddress": release_address,
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["Content-Length"])
        question = json.loads(self.rfile.read(length) or b"{}")
        method = self.path.strip("/")
        with open(JOURNAL, "a", encoding="utf-8") as journal:
            journal.write(method + "\n")
        answer = json.dumps(ANSWERS.get(method, lambda _: {})(question)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self):
        return "daemon"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


with Server(SOCKET, Handler) as server:
    os.chmod(SOCKET, 0o600)
    server.serve_forever()

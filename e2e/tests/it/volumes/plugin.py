"""A plugin for volumes: VolumeDriver of Docker's plugin protocol, each volume a folder. Usage: plugin.py SOCKET FOLDER"""

import http.server
import json
import os
import socketserver
import sys

SOCKET, FOLDER = sys.argv[1:3]
VOLUMES = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "plugin"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = json.loads(body or b"{}")
        method = self.path.strip("/")
        with open(os.path.join(FOLDER, "journal"), "a") as journal:
            journal.write(method + "\n")
        answer = json.dumps(self.answer(method, request)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer(self, method, request):
        name = request.get("Name", "")
        path = os.path.join(FOLDER, "volume-" + name)
        if method == "Plugin.Activate":
            return {"Implements": ["VolumeDriver"]}
        if method == "VolumeDriver.Create":
            if (request.get("Opts") or {}).get("fail"):
                return {"Err": "told to fail"}
            os.makedirs(path, exist_ok=True)
            VOLUMES[name] = path
            return {"Err": ""}
        if name not in VOLUMES:
            return {"Err": "no such volume"}
        if method == "VolumeDriver.Remove":
            del VOLUMES[name]
            return {}
        if method == "VolumeDriver.Get":
            return {"Volume": {"Name": name, "Mountpoint": path, "Status": {"colour": "red"}}}
        if method in ("VolumeDriver.Mount", "VolumeDriver.Path"):
            return {"Mountpoint": path}
        return {}


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


Server(SOCKET, Handler).serve_forever()

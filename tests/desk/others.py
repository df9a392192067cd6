"""Servers besides the lab's that actions go to: a pipeline that is told by HTTP, and an HAProxy that does what its
runtime API is told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Call:
    """A request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Works:
    """A pipeline. It takes every call, gives it a number, and says that its run succeeded."""

    url: str
    calls: list[Call] = field(default_factory=list)

    def context(self, *names: str, **more: Any) -> dict[str, Any]:
        """For triage.yaml, with a call for each of these actions."""
        run = {"id": "run", "path": "/runs/{run}"}
        body = {"model": "{model}", "from": "{from}", "to": "{to}", "why": "{reason}"}
        return {"webhooks": {"ci": {"url": self.url, **more, "calls": {
            name: {"path": f"/do/{name}", "body": body, "run": run} for name in names}}}}


@contextmanager
def works() -> Iterator[Works]:
    """It listens while the block lasts."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.calls.append(Call("POST", self.path, dict(self.headers), json.loads(body or b"null")))
            self._answer(202, {"run": len(made.calls)})

        def do_GET(self) -> None:
            self._answer(200, {"status": "succeeded"})

        def _answer(self, status: int, content: Any) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """What was asked is in ``calls``."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Works(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Proxy:
    """An HAProxy with one backend, ``fraud``."""

    socket: Path
    weights: dict[str, int]
    configured: Mapping[str, int] = field(default_factory=dict)
    """Weights of the configuration file, which percents are of; 100 where none is said."""
    down: set[str] = field(default_factory=set)
    """Servers that fail their checks."""
    set: list[str] = field(default_factory=list)
    """Commands that changed something, in order."""

    def answer(self, command: str) -> str:
        """What the runtime API of HAProxy 2.6 answers."""
        word, _, rest = command.partition(" ")
        match word, rest.split():
            case "show", ["stat"]:
                return ("# pxname,svname,scur,status,weight,act,bck,algo,uweight,\n" + "".join(
                    f"fraud,{name},0,{'DOWN' if name in self.down else 'UP'},{weight},1,0,,{weight},\n"
                    for name, weight in self.weights.items())
                    + "fraud,BACKEND,0,UP,1,1,0,roundrobin,1,\n\n")
            case "show", ["servers", "state", "fraud"]:
                rows = (f"3 fraud {number} {name} 127.0.0.1 2 0 {weight} {self.configured.get(name, 100)}\n"
                        for number, (name, weight) in enumerate(self.weights.items(), 1))
                return ("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
                        f"srv_iweight\n{''.join(rows)}\n")
            case "show", ["cli", "level"]:
                return "admin\n\n"
            case "set", ["weight", server, weight]:
                self.set.append(command)
                name, number = server.partition("/")[2], int(weight.removesuffix("%"))
                self.weights[name] = self.configured.get(name, 100) * number // 100 if "%" in weight else number
                return "\n"
        return "Unknown command\n"


@contextmanager
def proxy(folder: Path, weights: Mapping[str, int], configured: Mapping[str, int] | None = None) -> Iterator[Proxy]:
    """Its socket is there while the block lasts."""
    made = Proxy(folder / "admin.sock", dict(weights), configured or {})

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(made.answer(self.rfile.readline().decode().strip()).encode())

    with socketserver.ThreadingUnixStreamServer(str(made.socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()

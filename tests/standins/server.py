"""A service on 127.0.0.1 that can be told to fail: what the stand-ins for Amazon Braket and IBM have in common."""

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

TRANSPORT = ("throttle", "500", "503", "drop-before", "drop-after", "hang-before", "hang-after", "cut")
"""Faults that every operation can have. `before`: the request is not acted on; `after`: it is, and the answer is lost;
`cut`: it is, and half of the answer comes."""


@dataclass(frozen=True)
class Request:
    """`path` is unquoted, `body` raw bytes, header names lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes | str | dict[str, Any] | list[Any] = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Fault:
    """The next `times` calls of operations that match `operation` (a glob) fail as `kind` says, `after` so many.

    `kind` is one of TRANSPORT, or a name that the stand-in itself knows.
    """

    operation: str
    kind: str
    times: int = 1
    after: int = 0


class StandIn:
    """A threading HTTP server, used as a context manager; `url` is where it listens.

    Subclasses give `operation` (the name of what a request asks for), `act` (what it does), and `refusal` (an error in
    the service's own form). `calls` counts requests by operation, `injected` the faults that happened. With `chaos`,
    every call has a transport fault with probability `rate`. State is guarded by `lock`; it lives as long as the
    object, so that clients may come and go.
    """

    hang_s = 5.0

    def __init__(
        self, faults: Iterable[Fault] = (), chaos: random.Random | None = None, rate: float = 0.0
    ) -> None:
        self.faults = list(faults)
        self.chaos, self.rate = chaos, rate
        self.chaotic: tuple[str, ...] = TRANSPORT
        self.calls: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def operation(self, request: Request) -> str:
        raise NotImplementedError

    def act(self, operation: str, request: Request, fault: str | None) -> Reply:
        """`fault` is a kind of the stand-in's own, if one is due."""
        raise NotImplementedError

    def refusal(self, operation: str, kind: str) -> Reply:
        """The service's own answer for `throttle`, `500` and `503`."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What to set so that the vendor's client finds this server."""
        raise NotImplementedError

    def due(self, operation: str) -> str | None:
        """The kind of the fault that this call of an operation has, if any."""
        with self.lock:
            self.calls[operation] += 1
            for fault in self.faults:
                if fault.times and fnmatchcase(operation, fault.operation):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    self.injected[fault.kind] += 1
                    return fault.kind
            if self.chaos and self.chaos.random() < self.rate:
                kind = self.chaos.choice(self.chaotic)
                self.injected[kind] += 1
                return kind
        return None

    def wait(self, seconds: float) -> None:
        self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no error here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command,
                unquote(parts.path),
                parse_qs(parts.query, keep_blank_values=True),
                headers,
                body,
            )
            operation = stand_in.operation(request)
            kind = stand_in.due(operation)
            if kind in ("drop-before", "hang-before"):
                self._vanish(kind)
                return
            if kind in ("throttle", "500", "503"):
                self._send(stand_in.refusal(operation, kind))
                return
            reply = stand_in.act(operation, request, None if kind in TRANSPORT else kind)
            if kind in ("drop-after", "hang-after"):
                self._vanish(kind)
                return
            self._send(reply, cut=kind == "cut")

        def _vanish(self, kind: str) -> None:
            if kind.startswith("hang"):
                stand_in.wait(stand_in.hang_s)
            self.close_connection = True

        def _send(self, reply: Reply, cut: bool = False) -> None:
            content = reply.content
            self.send_response(reply.status)
            for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def serve_for(stand_in: StandIn, seconds: float) -> None:
    """Print what to set, as shell lines, then serve until the time is over."""
    with stand_in:
        for name, value in stand_in.environment().items():
            print(f"export {name}={value!r}", flush=True)
        time.sleep(seconds)

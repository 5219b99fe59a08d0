"""An endpoint on this machine that gives prepared answers, well-formed or not, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as it came over the wire."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Name of the operation in the JSON protocols; empty in others."""
        return self.headers.get("X-Amz-Target", "").rpartition(".")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer.

    Attributes:
        status: Of HTTP; 0 hangs up instead.
        body: Bytes, or what is written as JSON.
        announced: ``Content-Length``; None for that of the body. More than that looks like a broken connection.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None


def error(code: str, message: str = "?", status: int = 400, **members: Any) -> Reply:
    """Return an error as the JSON protocols spell it.

    https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization
    """
    return Reply(status=status, body={"__type": code, "message": message, **members})


class Loopback:
    """Answers each request with what ``answer`` returns for it.

    Attributes:
        asked: The requests, in the order in which they came.
        connections: How many connections they came by.
    """

    def __init__(self, answer: Callable[[Asked], Reply], *, keeps_alive: bool = False) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.connections = 0
        self._protocol = "HTTP/1.1" if keeps_alive else "HTTP/1.0"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error_: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = loopback._protocol

            def setup(self) -> None:
                super().setup()
                loopback.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(method=self.command, path=self.path, headers=dict(self.headers), body=body)
                loopback.asked.append(asked)
                reply = loopback.answer(asked)
                if reply.status == 0:
                    return
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                length = len(data) if reply.announced is None else reply.announced
                for name, value in {"Content-Length": str(length), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

"""A way to an AWS that a test watches and spoils: what goes through is noted, refused, or answered otherwise.

with Proxy(ministack.endpoint) as proxy:
    proxy.refuse["CreateChangeSet"] = ("AccessDenied", "User: you is not authorized to perform: ...")
    proxy.rewrite["DescribeStacks"] = lambda body: body.replace(b"CREATE_COMPLETE", b"DELETE_FAILED")
"""

from __future__ import annotations

import http.client
import re
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


class Proxy:
    """Between a client and an AWS, while the `with` block lasts.

    Attributes:
        calls: Names of the operations that came, in order; for S3 the method and what it was about.
        bodies: The same with what was sent.
        refuse: Error code and message by operation, instead of passing it on.
        rewrite: What to make of an answer's body, by operation.
        answer: A body to answer with instead of passing the call on, by operation; None passes it on after all.
        routes: Endpoints that have the calls of a service, by the name that these are signed for; the others go to
            the endpoint given.
    """

    def __init__(self, endpoint: str) -> None:
        self._target = urlsplit(endpoint).netloc
        self.routes: dict[str, str] = {}
        self.calls: list[str] = []
        self.bodies: list[tuple[str, str]] = []
        self.refuse: dict[str, tuple[str, str]] = {}
        self.rewrite: dict[str, Callable[[bytes], bytes]] = {}
        self.answer: dict[str, Callable[[], bytes | None]] = {}
        self.cut: Callable[[str], str] = lambda _: ""
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, happened: Callable[[], Any], timeout_s: float = 120) -> None:
        """Wait until the calls that came say so."""
        with self._changed:
            assert self._changed.wait_for(happened, timeout_s), self.calls

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                operation = _operation(self.command, self.path, self.headers, body)
                with proxy._changed:
                    proxy.calls.append(operation)
                    proxy.bodies.append((operation, body.decode("utf-8", "replace")))
                    proxy._changed.notify_all()
                when = proxy.cut(operation)
                if when != "before":
                    status, headers, answer = proxy._answer_to(
                        operation, self.command, self.path, dict(self.headers), body
                    )
                if when:
                    # As Ctrl-C does, to the thread that waits for the answer.
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

    def _answer_to(
        self, operation: str, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        if operation in self.refuse:
            code, message = self.refuse[operation]
            return _error(code, message, is_json="X-Amz-Target" in headers or path.startswith("/20"))
        if operation in self.answer and (given := self.answer[operation]()) is not None:
            return 200, [("Content-Type", "application/json")], given
        signed_for = _SCOPE.search(headers.get("Authorization", ""))
        route = self.routes.get(signed_for[1] if signed_for else "")
        connection = http.client.HTTPConnection(
            urlsplit(route).netloc if route else self._target, timeout=120
        )
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        if method == "HEAD" and (length := answer.getheader("Content-Length")):
            kept.append(("Content-Length", length))
        return answer.status, kept, self.rewrite.get(operation, bytes)(content)


def _operation(method: str, path: str, headers: Any, body: bytes) -> str:
    if target := headers.get("X-Amz-Target"):
        return str(target).rpartition(".")[2]
    if b"Action=" in body:
        return parse_qs(body.decode())["Action"][0]
    where = urlsplit(path)
    if where.path.startswith("/20"):
        return f"{method} {unquote(where.path.rpartition('/')[2])}"
    return f"{method} {where.path}" + (f"?{where.query}" if where.query else "")


def _error(code: str, message: str, *, is_json: bool) -> tuple[int, list[tuple[str, str]], bytes]:
    if is_json:
        body = f'{{"__type": "{code}", "message": "{message}"}}'
        return 400, [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)], body.encode()
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return 403, [("Content-Type", "text/xml")], f"<ErrorResponse>{error}</ErrorResponse>".encode()

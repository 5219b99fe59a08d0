"""The local AWS's server: HTTP on loopback, and the wire formats of AWS's clients.

Nothing here knows about tasks or functions. A service is a function from `HttpRequest` to `HttpResponse`; an
`AwsError` is encoded by the service's protocol.

Signatures are not checked: every client on this machine may call. The access key id in the `Authorization` header
identifies the caller (`HttpRequest.signed_with`).
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from retry_run_task.local.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SERVER_ERROR = 500
# Credential=<access key id>/<date>/<Region>/<service>/aws4_request
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/(?:[^/,\s]*/([^/,\s]+)/([^/,\s]+))?")
# Well above any request that these services accept, so that refusing a large one is left to them.
MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request; ``path`` is as sent, still percent-encoded, without the query."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    address: str

    @property
    def signed_with(self) -> tuple[str | None, str | None, str | None]:
        """The access key id, the Region and the service that it was signed with; None for what is not signed."""
        found = CREDENTIAL.search(self.headers.get("Authorization") or "")
        return (found[1], found[2], found[3]) if found else (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One HTTP answer. A status of 0 closes the connection without an answer, as if it was lost."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON, as the rest-json protocol does."""
    return HttpResponse(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def rest_error(error: AwsError) -> HttpResponse:
    """Return an error in the rest-json form: its name in a header.

    https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
    """
    # Lambda's shapes disagree on the spelling of "message"; with both, every client finds its own.
    body = {"Type": "User", "Message": error.message, "message": error.message, **error.extra}
    return json_response(body, error.status, {"x-amzn-ErrorType": error.code})


def json_operation(
    request: HttpRequest, operations: Mapping[str, Callable[[dict[str, Any]], Any]]
) -> HttpResponse:
    """Answer a JSON 1.1 call: `X-Amz-Target: <service>.<operation>`, a JSON object each way.

    https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
    """
    target = request.headers["X-Amz-Target"]
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    try:
        operation = operations.get(target.rpartition(".")[2])
        if operation is None:
            raise unknown_operation(target)
        answer = operation(_object(request.body)) or {}
        return HttpResponse(body=json.dumps(answer).encode(), headers=headers)
    except AwsError as error:
        answer = {"__type": error.code, "message": error.message, **error.extra}
        return HttpResponse(status=error.status, body=json.dumps(answer).encode(), headers=headers)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"the request is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise AwsError("SerializationException", "the request is not a JSON object")
    return value


def query_operation(
    request: HttpRequest,
    operations: Mapping[str, Callable[[dict[str, str]], Mapping[str, Any]]],
    namespace: str,
) -> HttpResponse:
    """Answer a query-protocol call: a form in, a small XML document out.

    https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
    """
    form = {key: values[0] for key, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}
    name, request_id = form.get("Action", ""), str(uuid.uuid4())
    try:
        operation = operations.get(name)
        if operation is None:
            raise unknown_operation(f"{name} of {namespace}")
        members = _xml(operation(form))
        body = (
            f'<{name}Response xmlns="{namespace}"><{name}Result>{members}</{name}Result>'
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
        )
        status = 200
    except AwsError as error:
        fault = "Receiver" if error.status >= SERVER_ERROR else "Sender"
        body = (
            f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type><Code>{error.code}</Code>'
            f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        status = error.status
    return HttpResponse(status=status, body=body.encode(), headers={"Content-Type": "text/xml"})


def _xml(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"<member>{_xml(one)}</member>" for one in value)
    if isinstance(value, dict):
        return "".join(f"<{key}>{_xml(inner)}</{key}>" for key, inner in value.items())
    return escape(str(value))


def unknown_operation(name: str) -> AwsError:
    """Return the error for an operation that is not implemented, which says so."""
    return AwsError("UnknownOperationException", f"the local AWS does not have the operation {name}")


class Server:
    """An HTTP server on a loopback port.

    Clients keep their connections, so there is one thread per client connection, not per request.
    """

    def __init__(self, serve: Callable[[HttpRequest], HttpResponse], port: int = 0) -> None:
        """Bind the port; 0 for a free one.

        Raises:
            OSError: The port is in use.
        """
        self._http = _HttpServer(serve, port)
        self._thread = threading.Thread(
            # The default polls for shutdown twice a second, and stopping waits for the poll.
            target=self._http.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="local-aws-http",
            daemon=True,
        )

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Refuse new connections, close the open ones, and wait for their threads."""
        if self._thread.ident is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.cut()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    # A burst of new clients (a midnight batch) must not be refused by the default backlog of 5.
    request_queue_size = 128

    def __init__(self, serve: Callable[[HttpRequest], HttpResponse], port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.serve = serve
        self.lock = threading.Lock()
        self.open: dict[threading.Thread, socket.socket] = {}

    def cut(self) -> None:
        with self.lock:
            still_open = dict(self.open)
        for connection in still_open.values():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                log.debug("a connection was closed already")
        for thread in still_open:
            thread.join(timeout=1)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- socketserver's signature
        log.debug("the connection from %s broke", client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    # Headers and body go out in one write, and at once: Nagle's algorithm would hold back what follows
    # an unacknowledged write for the 40 ms that the client delays its ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.open[threading.current_thread()] = self.connection

    def finish(self) -> None:
        with self.server.lock:
            self.server.open.pop(threading.current_thread(), None)
        super().finish()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        # No SDK sends these services a body without a length.
        if length > MAX_BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return
        url = urlsplit(self.path)
        request = HttpRequest(
            method=self.command,
            path=url.path,
            query=parse_qs(url.query, keep_blank_values=True),
            headers=self.headers,  # type: ignore[arg-type] # email.message.Message is a mapping in all but name
            body=self.rfile.read(length) if length else b"",
            address=str(self.client_address[0]),
        )
        try:
            response = self.server.serve(request)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = rest_error(
                AwsError("ServiceException", "the local AWS failed; see its log", SERVER_ERROR)
            )
        if response.status == 0:
            self.close_connection = True
            return
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "x-amzn-requestid" for name in response.headers):
            self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 -- http.server looks the methods up by these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's signature
        log.debug(format, *args)

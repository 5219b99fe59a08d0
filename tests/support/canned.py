"""An AWS of answers that a test gives, over real HTTP; what it gives none for, the local AWS answers.

Answers are in AWS's own words, by the IAM action of the call, and are refused if the service's model does not have
them; so a test cannot ask for an answer that AWS could not give.

    with Canned() as aws:
        aws.answers["cloudtrail:DescribeTrails"] = {"trailList": []}
        aws.answers["ecs:DescribeTaskDefinition"] = denied("ecs:DescribeTaskDefinition")
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Self
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.errors import AwsError
from retry_run_task.local.server import HttpRequest, HttpResponse, Server, json_response, rest_error

Json = dict[str, Any]
Answer = Mapping[str, Any] | AwsError | HttpResponse | Callable[[Json], Any]

SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
# Services whose signing name is not the name that IAM knows them by.
RENAMED = {"monitoring": "cloudwatch"}
SESSION = botocore.session.Session()


def denied(action: str) -> AwsError:
    """Return the error for a missing permission, in AWS's words."""
    message = f"User: arn:aws:iam::123456789012:user/operator is not authorized to perform: {action}"
    return AwsError("AccessDeniedException", message)


class Canned:
    """Answers for a test, while the `with` block lasts.

    Attributes:
        local: The local AWS behind it: ECS, rules, schedules, log groups.
        answers: What to answer, by IAM action, or such as ``sts:AssumeRole in eu-west-1`` for one Region; a function
            gets the parameters of the call. A ``HttpResponse`` is sent unchanged, so that an answer may also be none.
        calls: The IAM actions of the calls that came, in order.
        paths: Their paths.
        regions: The Regions that they were signed for.
    """

    def __init__(self, local: LocalAws | None = None) -> None:
        self.local = local or LocalAws()
        self.answers: dict[str, Answer] = {}
        self.calls: list[str] = []
        self.paths: list[str] = []
        self.regions: list[str] = []
        self._stack = ExitStack()
        self._server = Server(self._serve)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.local)
        self._server.start()
        self._stack.callback(self._server.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make an AWS client speak to this."""
        return {**self.local.environment(), "AWS_ENDPOINT_URL": f"http://{self._server.address}"}

    def _serve(self, request: HttpRequest) -> HttpResponse:
        found = SCOPE.search(request.headers.get("Authorization") or "")
        region, signed_for = found.groups() if found else ("", "")
        service = RENAMED.get(signed_for, signed_for)
        model = SESSION.get_service_model(service)
        operation = _operation(request, model)
        action = f"{service}:{operation.name}"
        self.calls.append(action)
        self.paths.append(unquote(request.path))
        self.regions.append(region)
        answer = self.answers.get(f"{action} in {request.signed_with[1]}", self.answers.get(action))
        if answer is None:
            return self.local._serve(request)
        if callable(answer):
            answer = answer(_parameters(request, model))
        if isinstance(answer, HttpResponse):
            return answer
        if isinstance(answer, AwsError):
            return _refuse(answer, model)
        return _encode(answer, operation, model)


def _operation(request: HttpRequest, model: ServiceModel) -> OperationModel:
    if target := request.headers.get("X-Amz-Target"):
        return model.operation_model(target.rpartition(".")[2])
    if model.resolved_protocol == "query":
        return model.operation_model(_parameters(request, model)["Action"])
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(http["requestUri"].partition("?")[0]))
        if http["method"] == request.method and re.fullmatch(pattern, request.path):
            return model.operation_model(name)
    raise AssertionError(f"{model.service_name} has no operation {request.method} {request.path}")


def _parameters(request: HttpRequest, model: ServiceModel) -> Json:
    if model.resolved_protocol == "query":
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    found: Json = {name: values[0] for name, values in request.query.items()}
    if model.resolved_protocol == "rest-json":
        # What stands last in the path is what the call is about.
        found["Name"] = unquote(request.path.rpartition("/")[2])
    return found | json.loads(request.body or b"{}")


def _encode(answer: Mapping[str, Any], operation: OperationModel, model: ServiceModel) -> HttpResponse:
    shape = operation.output_shape
    _check(answer, shape, operation.name)
    if model.resolved_protocol != "query":
        return json_response(answer)
    wrapper = shape.serialization["resultWrapper"]
    body = (
        f"<{operation.name}Response><{wrapper}>{_xml(answer, shape)}</{wrapper}></{operation.name}Response>"
    )
    return HttpResponse(body=body.encode(), headers={"Content-Type": "text/xml"})


def _refuse(error: AwsError, model: ServiceModel) -> HttpResponse:
    if model.resolved_protocol == "query":
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code>"
            f"<Message>{escape(error.message)}</Message></Error></ErrorResponse>"
        )
        return HttpResponse(status=error.status, body=body.encode(), headers={"Content-Type": "text/xml"})
    if model.resolved_protocol == "rest-json":
        return rest_error(error)
    return json_response({"__type": error.code, "message": error.message}, error.status)


def _check(value: Any, shape: Shape, path: str) -> None:
    """Refuse an answer with a member that the model does not have."""
    if isinstance(shape, StructureShape):
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            assert name in names, f"{path} has no member {name}"
            _check(inner, names[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for inner in value:
            _check(inner, shape.member, f"{path}[]")
    elif isinstance(shape, MapShape):
        for inner in value.values():
            _check(inner, shape.value, f"{path}{{}}")


def _xml(value: Any, shape: Shape) -> str:
    if isinstance(shape, StructureShape):
        return "".join(
            f"<{name}>{_xml(inner, shape.members[name])}</{name}>" for name, inner in value.items()
        )
    if isinstance(shape, ListShape):
        name = shape.member.serialization.get("name", "member")
        return "".join(f"<{name}>{_xml(inner, shape.member)}</{name}>" for inner in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))

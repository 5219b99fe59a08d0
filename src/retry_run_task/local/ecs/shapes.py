"""The types of members of ECS's requests, as far as the service framework checks them before ECS does.

They are those of AWS's own model of the API, which comes with botocore. Other members are ignored, as JSON 1.1 services
do: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from retry_run_task.local.ecs.validation import EcsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

_SCALARS: dict[str, type] = {"string": str, "integer": int, "boolean": bool}
_TYPE_NAMES = {str: "a String", int: "an Integer", bool: "a Boolean"}


@cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("ecs", "service-2"))


@cache
def _shape(operation: str) -> Json:
    """Return an operation's input: a dict is a structure, a list holds the type of its elements."""
    members: Json = _kind(_model().operation_model(operation).input_shape)
    return members


def _kind(shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {name: _kind(member) for name, member in shape.members.items()}
        case "list":
            return [_kind(shape.member)]
        case scalar:
            # A newer model may have members of another type, which are not checked.
            return _SCALARS.get(scalar)


def check_types(operation: str, body: Mapping[str, Any]) -> None:
    """Refuse a body that cannot be read as the operation's input, as the service framework does.

    The texts were measured on another AWS service of the same framework:
    https://github.com/floci-io/floci/pull/2686
    """
    _check_members(body, _shape(operation))


def _check_members(value: Mapping[str, Any], expected: Json) -> None:
    for name, member in value.items():
        kind = expected.get(name)
        # This comparison settles nearly every scalar without a call; it runs for every request.
        if kind is not None and member is not None and type(member) is not kind:
            _check_type(member, kind)


def _check_type(value: Any, expected: Any) -> None:
    if isinstance(expected, list):
        if not isinstance(value, list):
            raise EcsError("SerializationException", "Expected list or null")
        kind = expected[0]
        for element in value:
            if kind is not None and type(element) is not kind:
                _check_type(element, kind)
    elif isinstance(expected, dict):
        if not isinstance(value, dict):
            raise EcsError("SerializationException", "Expected null")
        _check_members(value, expected)
    else:
        raise EcsError("SerializationException", _scalar_message(value, expected))


def _scalar_message(value: Any, expected: type) -> str:
    match value:
        case dict():
            return "Start of structure or map found where not expected."
        case list():
            return "Start of list found where not expected"
        case bool():
            found = f"{str(value).upper()}_VALUE"
        case int() | float():
            found = "NUMBER_VALUE"
        case None:
            # For a list's element; a member may be null. ECS's own text was not seen.
            found = "NULL_VALUE"
        case _:
            found = "STRING_VALUE"
    return f"{found} can not be converted to {_TYPE_NAMES[expected]}"

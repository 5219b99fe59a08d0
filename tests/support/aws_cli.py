"""A command line of the AWS CLI, as the call that it makes: the CLI derives operations and options from the same model.

https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-skeleton.html for ``--cli-input-json``
"""

from __future__ import annotations

import json
from typing import Any

import botocore.session
from botocore import validate, xform_name


def call_of(words: list[str]) -> tuple[str, str, dict[str, Any]]:
    """Return the service, the method of its client, and the parameters, of a command without ``aws``.

    Raises:
        AssertionError: There is no such operation or option, or AWS's model does not allow the parameters.
    """
    service, operation, *rest = words
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names, words
    shape = model.operation_model(names[operation]).input_shape
    by_option = {f"--{xform_name(name, '-')}": name for name in shape.members}
    asked: dict[str, Any] = {}
    while rest:
        option, *rest = rest
        values = []
        while rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        if option in ("--region", "--profile"):
            assert len(values) == 1, words
        elif option == "--cli-input-json":
            asked |= json.loads(values[0])
        else:
            assert option in by_option, words
            name = by_option[option]
            asked[name] = values if shape.members[name].type_name == "list" else values[0]
    report = validate.ParamValidator().validate(asked, shape)
    assert not report.has_errors(), report.generate_report()
    return service, xform_name(names[operation]), asked

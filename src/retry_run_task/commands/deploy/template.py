"""The CloudFormation template in this package, and its evaluation with parameters.

Only the part of CloudFormation that the template uses is implemented. A value that exists only in an account, such as
an ARN that AWS assigns, is represented by the resource's own name.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from retry_run_task.commands.shared import ways
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.launch.values import JsonObject

# The template's placeholder for the location of the code; `aws cloudformation package` uses it too.
CODE = "../build/lambda.zip"

_INFRA = Path(__file__).parents[4] / "infra"

_NO_VALUE = {"Ref": "AWS::NoValue"}
# The part before a resource's name in its ARN, after the partition and the service.
_ARNS = {
    "AWS::IAM::Role": "iam::{account}:role{path}",
    "AWS::Lambda::Alias": "lambda:{region}:{account}:function:",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:",
    "AWS::SNS::Topic": "sns:{region}:{account}:",
    "AWS::SQS::Queue": "sqs:{region}:{account}:",
}
_NAMES = ("FunctionName", "QueueName", "TopicName", "LogGroupName", "ManagedPolicyName", "RoleName", "Name")


def carried(name: str) -> bytes:
    """Return a file of the package: ``template.yaml``, ``member.yaml`` or ``lambda.zip``.

    Raises:
        ConfigError: The file is missing, as in a source tree without a build.
    """
    try:
        return resources.files("retry_run_task.commands.deploy").joinpath("data", name).read_bytes()
    except FileNotFoundError:
        # A source tree has the template without a build.
        source = _INFRA / name
        if source.is_file():
            return source.read_bytes()
        raise ConfigError(
            f"This installation of retry-run-task carries no {name}, so there is nothing to deploy.",
            hint="In a checkout, install it with: pip install .",
        ) from None


def check_carried() -> None:
    """Refuse to begin without what is deployed.

    Raises:
        ConfigError: The package does not carry it.
    """
    for name in ("template.yaml", "member.yaml", "lambda.zip"):
        carried(name)


def with_code(text: str, bucket: str, key: str, version: str = "") -> str:
    """Return the template's text with deploy's mark, and the code's location in a bucket that may keep versions."""
    exact = f', S3ObjectVersion: "{version}"' if version else ""
    text = text.replace(f"{ways.MARK}: {ways.CLOUDFORMATION}", f"{ways.MARK}: {ways.DEPLOY}")
    return text.replace(CODE, f'{{S3Bucket: "{bucket}", S3Key: "{key}"{exact}}}')


def known_resources() -> dict[str, str]:
    """Return the types of the resources that an installation by this version may have, by name."""
    resources: JsonObject = parse(carried("template.yaml").decode())["Resources"]
    return {name: one["Type"] for name, one in resources.items()}


def code_of(text: str) -> tuple[str, str]:
    """Return bucket and key of the code in a stack's template; empty if it does not say."""
    code = parse(text).get("Resources", {}).get("Recover", {}).get("Properties", {}).get("Code")
    if not isinstance(code, dict):
        return "", ""
    return str(code.get("S3Bucket", "")), str(code.get("S3Key", ""))


# Ten times as fast if PyYAML has libyaml, as its wheels do; otherwise the same.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc] # one of two classes
    """Reads CloudFormation's tags, and dates as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _function(loader: _Loader, name: str, node: yaml.Node) -> JsonObject:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(f"YAML has no such node: {node!r}")
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


@functools.lru_cache(maxsize=4)  # an update mostly compares a template with itself
def parse(text: str) -> JsonObject:
    """Return a template, in YAML or JSON, with intrinsic functions in their long form; do not change it."""
    loaded: JsonObject = yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    return loaded


class Filled:
    """A template with its parameters filled in, and the resources whose condition is true."""

    def __init__(
        self,
        template: JsonObject,
        stack: str,
        identity: Identity,
        region: str,
        given: Mapping[str, str],
        *,
        only: Collection[str] = (),
        has_arns: bool = False,
    ) -> None:
        """Fill it in with parameters as text, as in CloudFormation; absent ones have their defaults.

        ``only`` names the types of the resources to fill in, for speed (empty for all); with ``has_arns`` a reference
        to a resource is its ARN, if it has one, as in the account.
        """
        domain = "amazonaws.com.cn" if identity.partition == "aws-cn" else "amazonaws.com"
        self._template, self.stack, self.identity = template, stack, identity
        self._values: JsonObject = {
            "AWS::Partition": identity.partition,
            "AWS::Region": region,
            "AWS::AccountId": identity.account,
            "AWS::URLSuffix": domain,
            "AWS::StackName": stack,
        }
        for name, parameter in template.get("Parameters", {}).items():
            text = str(given.get(name, parameter.get("Default", "")))
            is_list = parameter["Type"] == "CommaDelimitedList"
            self._values[name] = [part.strip() for part in text.split(",")] if is_list else text
        raw = template["Resources"]
        # Names first: a reference to a resource shows its name.
        for name, resource in raw.items():
            self._values[name] = self._name_of(name, resource.get("Properties", {}))
        if has_arns:
            self._values |= {name: self._arn_of(name, resource) for name, resource in raw.items()}
        self.resources: dict[str, JsonObject] = {
            name: self._filled({key: value for key, value in resource.items() if key != "Metadata"})
            for name, resource in raw.items()
            if (not only or resource["Type"] in only) and self._holds(resource.get("Condition"))
        }

        self._rules = template.get("Rules", {})

    def broken_rules(self) -> tuple[str, ...]:
        """Return the parameter rules that are violated, one sentence each."""
        return tuple(
            assertion["AssertDescription"]
            for rule in self._rules.values()
            if self._filled(rule.get("RuleCondition", {"Fn::And": []}))
            for assertion in rule["Assertions"]
            if not self._filled(assertion["Assert"])
        )

    def outputs(self) -> dict[str, str]:
        """Return the outputs whose condition is true, by name."""
        return {
            name: str(self._filled(output["Value"]))
            for name, output in self._template.get("Outputs", {}).items()
            if self._holds(output.get("Condition"))
        }

    def _name_of(self, name: str, properties: JsonObject) -> str:
        named = [str(self._filled(properties[key])) for key in _NAMES if key in properties]
        # An alias has a function's name and one of its own: <function>:<alias>.
        return ":".join(named[:2]) if named else name

    def _arn_of(self, name: str, resource: JsonObject) -> str:
        start = _ARNS.get(resource["Type"])
        own = str(self._values[name])
        if start is None:
            return own
        path = self._filled(resource["Properties"].get("Path", "/"))
        where = start.format(
            region=self._values["AWS::Region"], account=self._values["AWS::AccountId"], path=path
        )
        end = ":*" if resource["Type"] == "AWS::Logs::LogGroup" else ""
        return f"arn:{self._values['AWS::Partition']}:{where}{own}{end}"

    def _holds(self, condition: str | None) -> bool:
        return condition is None or bool(self._filled(self._template["Conditions"][condition]))

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(item) for item in value if not self._is_left_out(item)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._values.get(argument, argument)
            if name == "Condition" and isinstance(argument, str):
                return self._holds(argument)
            if name.startswith("Fn::"):
                return self._call(name[4:], argument)
        return {key: self._filled(inner) for key, inner in value.items() if not self._is_left_out(inner)}

    def _is_left_out(self, value: Any) -> bool:
        while isinstance(value, dict) and value.keys() == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            value = then if self._holds(condition) else otherwise
        return bool(value == _NO_VALUE)

    def _call(self, function: str, argument: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a function
        match function, argument:
            case "If", [condition, then, otherwise]:
                return self._filled(then if self._holds(condition) else otherwise)
            case "Not", [one]:
                return not self._filled(one)
            case "And", conditions:
                return all(self._filled(conditions))
            case "Or", conditions:
                return any(self._filled(conditions))
            case "Contains", [members, one]:
                return self._filled(one) in self._filled(members)
            case "EachMemberEquals", [members, one]:
                return all(member == self._filled(one) for member in self._filled(members))
            case "Equals", [left, right]:
                return str(self._filled(left)) == str(self._filled(right))
            case "Join", [delimiter, items]:
                return delimiter.join(self._filled(items))
            case "Split", [delimiter, text]:
                return self._filled(text).split(delimiter)
            case "Select", [index, items]:
                found = self._filled(items)
                return found[int(index)] if len(found) > int(index) else found[0]
            case "GetAtt", [resource, *_]:
                return self._values.get(resource, resource)
            case "FindInMap", [name, first, second]:
                return self._template["Mappings"][name][self._filled(first)][self._filled(second)]
            case "Sub", str() as text:
                return self._substituted(text, {})
            case "Sub", [text, own]:
                return self._substituted(text, self._filled(own))
            case _:
                raise NotImplementedError(f"Fn::{function}")

    def _substituted(self, text: str, own: JsonObject) -> str:
        def value_of(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            resource = name.partition(".")[0]
            return str(own.get(name, self._values.get(name, self._values.get(resource, resource))))

        return re.sub(r"\$\{([^}]+)\}", value_of, text)

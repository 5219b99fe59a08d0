"""An installation, as its intake function is configured: its scope, and the function that it starts.

It reads the function's settings, not a stack's parameters: the settings are what counts, and an installation by
Terraform has them too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from retry_run_task.commands.shared import hints
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.reader import error_code
from retry_run_task.config import PREFIX, Settings
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.policy.scope import Scope


class NotInstalledError(ConfigError):
    """There is no installation of that name here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One installation in one Region.

    Attributes:
        stack: Name of the installation, the prefix of every recovery's name.
        recover: The function to start recoveries of, with its alias.
        way: How it was installed: ``deploy``, ``cloudformation`` or ``terraform``; empty if that is not known.
    """

    stack: str
    recover: str
    scope: Scope
    recover_errors: bool
    way: str = ""


def live(recover: str) -> str:
    """Return the name of recover as new recoveries are started: with its alias.

    Without one, Lambda reads and describes ``$LATEST``, which may be other code and settings.
    https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
    """
    return f"{recover}:live"


def variables_of(answer: JsonObject) -> dict[str, str]:
    """Return the environment of a function, from ``GetFunctionConfiguration``."""
    return (answer.get("Environment") or {}).get("Variables") or {}


def is_intake_of(answer: JsonObject, stack: str) -> bool:
    """Tell whether a function is the intake of an installation; a foreign function may have its name."""
    return variables_of(answer).get(f"{PREFIX}STACK") == stack


def read_installation(reader: Reader, stack: str) -> Installation:
    """Return the installation of a name.

    Raises:
        NotInstalledError: There is none.
        ConfigError: Its settings are not understood.
        DeployError: AWS did not answer.
    """
    action, function = "lambda:GetFunctionConfiguration", f"{stack}-intake"
    answer = reader.read(action, FunctionName=function)
    if isinstance(answer, Unknown):
        if error_code(answer) == "ResourceNotFoundException":
            raise NotInstalledError(
                f"There is no installation {stack} in {reader.region}: Lambda has no function {function}.",
                hint="Name another with --stack or --region, or install it with: "
                f"{hints.command_line('deploy')}.",
            )
        raise DeployError(
            f"The settings of {function} cannot be read ({action}): {answer.why}.",
            hint="Ask for that permission and run the same command again."
            if answer.is_denied
            else "Try again.",
        )
    variables = variables_of(answer)
    if not is_intake_of(answer, stack):
        raise NotInstalledError(
            f"The function {function} in {reader.region} is not of an installation {stack}.",
            hint="Name another with --stack or --region.",
        )
    # Another version may have settings that this one does not know; they do not affect the scope.
    known = {f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}
    settings = Settings.from_environment({name: value for name, value in variables.items() if name in known})
    if not settings.recover_function:
        raise ConfigError(
            f"{function} does not say which function recovers.",
            hint=f"Deploy it again: {hints.command_line('deploy')}.",
        )
    return Installation(
        stack=settings.stack,
        recover=settings.recover_function,
        scope=settings.scope(answer["FunctionArn"]),
        recover_errors=settings.recover_errors,
        way=settings.installed_by,
    )

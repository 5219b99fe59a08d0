"""What is installed, as its intake function knows it: its scope, and what it starts.

The function's own settings are read, and not the parameters of a stack: they are what counts, and what there is of
an installation by Terraform, too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.reader import error_code
from retry_run_task.config import PREFIX, Settings
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.policy.scope import Scope


class NotInstalledError(ConfigError):
    """There is no installation of that name here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One installation in one Region.

    Attributes:
        stack: Its name, which every recovery's begins with.
        recover: The function to start recoveries of, with its alias.
        scope: What it looks after.
        recover_errors: Whether calls that raised an error are made again.
    """

    stack: str
    recover: str
    scope: Scope
    recover_errors: bool


def read_installation(reader: Reader, stack: str) -> Installation:
    """Return the installation of a name.

    Raises:
        NotInstalledError: There is none.
        ConfigError: Its settings are not understood.
        DeployError: AWS does not say.
    """
    action, function = "lambda:GetFunctionConfiguration", f"{stack}-intake"
    answer = reader.read(action, FunctionName=function)
    if isinstance(answer, Unknown):
        if error_code(answer) == "ResourceNotFoundException":
            raise NotInstalledError(
                f"There is no installation {stack} in {reader.region}: Lambda has no function {function}.",
                hint="Name another with --stack or --region, or install it with: retry-run-task deploy.",
            )
        raise DeployError(
            f"The settings of {function} cannot be read ({action}): {answer.why}.",
            hint="Ask for that permission and run the same command again."
            if answer.is_denied
            else "Try again.",
        )
    variables = (answer.get("Environment") or {}).get("Variables") or {}
    # Another version may have settings that this one does not know; what it does not know is none of the scope.
    known = {f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}
    settings = Settings.from_environment({name: value for name, value in variables.items() if name in known})
    if not settings.recover_function:
        raise ConfigError(
            f"{function} does not say which function recovers.",
            hint="Deploy it again: retry-run-task deploy.",
        )
    return Installation(
        stack=settings.stack,
        recover=settings.recover_function,
        scope=settings.scope(answer["FunctionArn"]),
        recover_errors=settings.recover_errors,
    )

"""Durable steps that keep exception texts, which may hold secrets, out of the checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.recovery.ports import Action, Tools


class FaultError(Exception):
    """The action of a step raised. The message is the exception's type, because its text might hold a secret."""


def step(tools: Tools, name: str, action: Action) -> JsonObject:
    """Run a durable step and return its result.

    Raises:
        FaultError: The action raised. The checkpoint keeps the exception's type, and each replay raises this again.
    """

    def guarded(again: bool) -> JsonObject:
        try:
            return action(again)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text must not reach the checkpoint
            return {"fault": type(error).__name__}

    result = tools.step(name, guarded)
    if "fault" in result:
        raise FaultError(result["fault"])
    return result

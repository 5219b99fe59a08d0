"""The two Lambda entry points, ``intake`` and ``recover``. Importing them creates no client and reads no setting.

Each function imports only its own half: the runtime asks for one name while it initializes, and intake starts in
half the time without the imports that only recover needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retry_run_task.handlers._intake import intake
    from retry_run_task.handlers._recover import recover

__all__ = ["intake", "recover"]


def __getattr__(name: str) -> Any:
    if name == "intake":
        from retry_run_task.handlers._intake import intake  # noqa: PLC0415

        return intake
    if name == "recover":
        from retry_run_task.handlers._recover import recover  # noqa: PLC0415

        return recover
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The errors that the local AWS answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class AwsError(Exception):
    """An error of an AWS service: the name of its exception shape, its message, and its HTTP status.

    ``extra`` has further members of the exception shape, such as ``resourceIds``.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, status, extra)
        self.code, self.message, self.status = code, message, status
        self.extra: Mapping[str, Any] = dict(extra or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

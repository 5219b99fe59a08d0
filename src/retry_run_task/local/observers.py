"""Call observers; log what they raise."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")

log = logging.getLogger(__name__)


def tell(observers: Iterable[Callable[P, object]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call every observer; what one raises is logged."""
    for observe in tuple(observers):
        try:
            observe(*args, **kwargs)
        except Exception:
            log.exception("an observer failed")

"""Gives intake, or the bare one, an event so many times, as deliver.mjs gives it to the original handler.

    deliver.py MODULE EVENT TIMES REST_MS OUT

Writes the milliseconds that each took, as JSON.
"""

import importlib
import json
import sys
import time
from pathlib import Path

FUNCTION_S = 300
FUNCTION_ARN = "arn:aws:lambda:ap-northeast-1:123456789012:function:intake"


class Context:
    """What Lambda tells a function about its invocation."""

    aws_request_id = "bench"
    invoked_function_arn = FUNCTION_ARN

    def __init__(self) -> None:
        """Begin an invocation."""
        self._began = time.monotonic()

    def get_remaining_time_in_millis(self) -> int:
        """Return how long it may still take."""
        return int((FUNCTION_S - (time.monotonic() - self._began)) * 1000)


def main() -> None:
    """Deliver."""
    module, path, times, rest_ms, out = sys.argv[1:]
    event = json.loads(Path(path).read_bytes())
    # As late as the original's.
    intake = importlib.import_module(module).intake
    took = []
    for _ in range(int(times)):
        began = time.perf_counter()
        intake(event, Context())
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(int(rest_ms) / 1000)
    Path(out).write_text(json.dumps(took), encoding="ascii")


if __name__ == "__main__":
    main()

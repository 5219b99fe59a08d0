"""The log of one process, whatever number of invocations it runs at a time."""

from __future__ import annotations

import threading

from retry_run_task.aws import telemetry


def test_a_logger_is_made_once_also_where_many_ask_at_the_same_moment() -> None:
    """Powertools makes a logger in steps that another thread may see: its handler is there before its formatter."""
    gate, made = threading.Barrier(8), []

    def ask() -> None:
        gate.wait(5)
        made.append(telemetry._logger("a-stack-of-this-test-alone"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(made) == 8
    assert len(set(map(id, made))) == 1

"""A client is made once for each set of arguments, whoever asks at the same time."""

from __future__ import annotations

import threading
from typing import Any

from retry_run_task.aws.cached import cached


def test_each_set_of_arguments_is_made_once_until_it_is_forgotten() -> None:
    made: list[tuple[str, int]] = []

    @cached
    def client(region: str, number: int = 0) -> object:
        """Make a client."""
        made.append((region, number))
        return object()

    forgettable: Any = client
    assert client("a") is client("a")
    assert client("a", 1) is not client("a")
    assert client("b", number=2) is client("b", number=2)
    assert made == [("a", 0), ("a", 1), ("b", 2)]
    assert (forgettable.__name__, forgettable.__doc__) == ("client", "Make a client.")
    forgettable.forget()
    client("a")
    assert made[3:] == [("a", 0)]


def test_two_threads_get_one_client() -> None:
    entered = threading.Event()
    made: list[int] = []
    found: list[object] = []

    @cached
    def client() -> object:
        entered.set()
        # The other thread gets here too, if it is not kept out.
        other.join(timeout=0.05)
        made.append(1)
        return object()

    def ask() -> None:
        entered.wait()
        found.append(client())

    other = threading.Thread(target=ask)
    other.start()
    found.append(client())
    other.join()
    assert made == [1]
    assert found[0] is found[1]


def test_making_one_client_may_need_another() -> None:
    @cached
    def inner() -> str:
        return "inner"

    @cached
    def outer() -> str:
        return f"outer of {inner()}"

    assert outer() == "outer of inner"

"""Names of stacks."""

import uuid


def fresh() -> str:
    """Return a name under which nothing has been logged, since a logger keeps the output that it began with.

    Also where the tests run a second time in one process, as under ``make mutants``.
    """
    return f"s-{uuid.uuid4().hex[:12]}"

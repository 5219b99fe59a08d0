"""What happened in a simulated system: a line for each thing that a person would want to read, and what went wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """A kind of thing that goes wrong, or that somebody does. It counts when it has happened, not when it was set."""

    DUPLICATED = "a record came twice"
    REORDERED = "a record came before an earlier one"
    DELAYED = "a record came late"
    LOST_ON_ONE_WAY = "a record got lost on one of its ways"
    NEVER_CAME = "a record got lost on all of its ways"
    BOTH_WAYS = "a record came by two event sources"
    THIRD_WAY = "a task that did not start came in as an event of its own"
    BESIDE_OTHERS = "a record came in one delivery with another one"
    INTAKE_DIED = "intake died between two recoveries"
    NOT_STARTED = "the wish to start a recovery did not reach Lambda"
    START_UNSEEN = "Lambda started a recovery, and its answer was lost"
    DEAD_LETTER = "an event was not taken in three times, and is in the dead-letter queue"
    DIED_BEFORE = "a function died before a step's action"
    DIED_AFTER = "a function died after a step's action, before its result was recorded"
    DIED_BETWEEN = "a function died after a step's result was recorded"
    REDEPLOYED = "a new version came while recoveries ran"
    TWO_RECORDS = "an SDK made one call twice, and CloudTrail recorded both"
    TWO_STACKS = "two stacks recovered one launch"
    CALL_LOST = "a RunTask call did not reach ECS"
    ANSWER_LOST = "ECS acted on a RunTask call, and the connection broke"
    ANSWERED_5XX = "ECS acted on a RunTask call, and answered 500"
    CALL_LATE = "ECS acted on a RunTask call after its caller had given up"
    THROTTLED = "a RunTask call was throttled"
    REFUSED = "a RunTask call was refused"
    DENIED = "a RunTask call was denied"
    PLACED_IN_PART = "a RunTask call placed a part of what it asked for"
    CONFLICT = "a client token was known with another request"
    REPLAYED = "a client token was known, and its first result was given again"
    FAILED_START = "a task was accepted and did not start"
    DEACTIVATING = "a recovery saw a task that had not started DEACTIVATING"
    STOPPING = "a recovery saw a task that had not started STOPPING"
    DEPROVISIONING = "a recovery saw a task that had not started DEPROVISIONING"
    UNSEEN = "ECS did not list a task that was there"
    READ_FAILED = "ECS did not say what tasks there were"
    PLACED_AFTER_ALL = "a task of a failed call was there after all"
    CLOCKS_DIFFER = "the clocks of records, functions and ECS differed"
    CLOCK_WENT_BACK = "a function's clock went back between two invocations"
    TOPIC_FAILED = "a message was not taken"
    STARTED_ALIKE = "a person started a task with the mark of the rule"
    STARTED_OTHERWISE = "a person started a task with no such mark"
    STOPPED_BEFORE_IT_RAN = "a person stopped a task that had not started"
    STOPPED_WHILE_IT_RAN = "a person stopped a task that ran"


@dataclass(slots=True)
class Chronicle:
    """What happened, in order.

    Attributes:
        lines: Seconds since the story's beginning, who, and what.
        faults: How often each fault has happened.
    """

    lines: list[tuple[float, str, str]] = field(default_factory=list)
    faults: Counter[Fault] = field(default_factory=Counter)

    def told(self) -> str:
        """Write it for a person to read."""
        return "\n".join(f"{when:9.1f} s  {who:<18}  {what}" for when, who, what in self.lines)

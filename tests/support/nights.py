"""Two weeks of an account in CloudTrail's records: shortages at midnight, on Spot, and a rule with a mistake.

The same at each call; ``python tests/support/nights.py FILE`` writes what docs/report.md shows.
"""

from __future__ import annotations

import gzip
import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from retry_run_task.launch.names import call_identity, client_token, started_by_of
from support.records import ACCOUNT, CAPACITY, CLUSTER, REGION, record

START = datetime(2026, 11, 9, tzinfo=UTC)
DAYS = 14
ZONES = {"subnet-0a": f"{REGION}a", "subnet-0c": f"{REGION}c", "subnet-0d": f"{REGION}d"}
RULE, SCHEDULER = "events-rule", "chronos-schedule"
_KNOWN_AFTER_S, _APART_S = 75, 60


class Nights:
    """Makes records, one day after the other."""

    def __init__(self, seed: int = 7) -> None:
        self.random = Random(seed)
        self.records: list[dict[str, Any]] = []

    def call(
        self,
        name: str,
        time: datetime,
        *,
        subnets: tuple[str, ...],
        by: str = RULE,
        provider: str = "FARGATE",
        reason: str = CAPACITY,
        until: datetime | None = None,
    ) -> None:
        """Record a run, and if there is no room until a time, a recovery's calls until there is."""
        request = self._request(name, subnets, by=by, provider=provider)
        is_short = until is not None and time < until
        first = self._record(time, request, subnets, by=by, reason=reason if is_short else "")
        if not is_short or until is None or reason != CAPACITY:
            return
        call_id = call_identity(
            first["eventID"], account=ACCOUNT, region=REGION, parameters=first["requestParameters"]
        )
        mark = started_by_of(request["startedBy"], call_id)
        now, attempt = time + timedelta(seconds=_KNOWN_AFTER_S + self.random.randrange(10)), 1
        while True:
            again = request | {"startedBy": mark, "clientToken": client_token(call_id, attempt)}
            self._record(now, again, subnets, by="", reason=CAPACITY if now < until else "")
            if now >= until:
                return
            now, attempt = now + timedelta(seconds=_APART_S - 10 + self.random.randrange(20)), attempt + 1

    def _request(self, name: str, subnets: tuple[str, ...], *, by: str, provider: str) -> dict[str, Any]:
        network = {"subnets": list(subnets), "securityGroups": ["sg-0batch"], "assignPublicIp": "DISABLED"}
        spot = {"capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}]}
        return {
            "cluster": CLUSTER,
            "taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{name}:3",
            "count": 1,
            **({"launchType": provider} if provider == "FARGATE" else spot),
            "networkConfiguration": {"awsvpcConfiguration": network},
            "startedBy": f"{by}/{name}"[:36],
            "clientToken": self._uuid(),
        }

    def _record(
        self, time: datetime, request: dict[str, Any], subnets: tuple[str, ...], *, by: str, reason: str
    ) -> dict[str, Any]:
        made = record(
            request=request,
            eventTime=f"{time:%Y-%m-%dT%H:%M:%SZ}",
            eventID=self._uuid(),
            requestID=self._uuid(),
        )
        if by == SCHEDULER:
            made["userIdentity"].pop("invokedBy")
            made |= {
                "sourceIPAddress": "203.0.113.7",
                "userAgent": "AmazonEventBridgeScheduler aws-sdk-java/2",
            }
        if not reason:
            subnet = self.random.choice(subnets)
            made["responseElements"] = {"tasks": [self._task(subnet)], "failures": []}
        elif reason != CAPACITY:
            made["responseElements"] = {"tasks": [], "failures": [{"reason": reason}]}
        self.records.append(made)
        return made

    def _task(self, subnet: str) -> dict[str, Any]:
        return {
            "taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/{self.random.getrandbits(128):032x}",
            "lastStatus": "PROVISIONING",
            "availabilityZone": ZONES[subnet],
            "attachments": [
                {
                    "type": "ElasticNetworkInterface",
                    "status": "PRECREATED",
                    "details": [{"name": "subnetId", "value": subnet}],
                }
            ],
        }

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))


def records() -> list[dict[str, Any]]:
    """Return the records, oldest first."""
    nights = Nights()
    for day in range(DAYS):
        _day(nights, START + timedelta(days=day))
    return sorted(nights.records, key=lambda one: str(one["eventTime"]))


def _day(nights: Nights, midnight: datetime) -> None:
    both = ("subnet-0a", "subnet-0c")
    # From Monday to Friday everybody's jobs start at midnight.
    until = midnight + timedelta(minutes=6 + nights.random.random() * 11 if midnight.weekday() < 5 else 0)
    at = midnight + timedelta(seconds=3)
    nights.call("nightly-report", at, subnets=both, until=until)
    nights.call("invoice-export", at + timedelta(seconds=1), subnets=both, by=SCHEDULER, until=until)
    nights.call("ledger-close", at + timedelta(seconds=2), subnets=("subnet-0d",))
    for hour in range(24):
        time = midnight + timedelta(hours=hour, minutes=30, seconds=nights.random.randrange(5))
        nights.call("queue-sweep", time, subnets=both)
    # Spot is short on some nights, and for longer.
    spot = midnight + timedelta(hours=1)
    short = midnight.weekday() in (1, 3)
    until = spot + timedelta(minutes=50 + nights.random.random() * 30 if short else 0)
    nights.call("thumbnails", spot, subnets=both, by=SCHEDULER, provider="FARGATE_SPOT", until=until)
    if midnight >= START + timedelta(days=10):
        late = midnight + timedelta(hours=5)
        nights.call("usage-rollup", late, subnets=both, reason="ATTRIBUTE", until=late + timedelta(days=1))


def lines() -> Iterator[str]:
    """Yield the records as JSON Lines."""
    for one in records():
        yield json.dumps(one, separators=(",", ":")) + "\n"


def main(path: str) -> None:
    """Write the records, compressed, the same bytes every time."""
    Path(path).write_bytes(gzip.compress("".join(lines()).encode(), mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])

"""The product in a local AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import LocalInstallation, install
from support.site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """A local AWS where a second is ten minutes, and a trail that delivers at once, both ways."""
    with LocalAws(
        speed=600, trail_delay=(2, 1), event_delay=(1, 0.5), event_sources=("logs", "eventbridge")
    ) as aws:
        yield Site(aws)


@pytest.fixture
def installed(site: Site) -> LocalInstallation:
    """The product, with both event sources."""
    return install(site.aws)

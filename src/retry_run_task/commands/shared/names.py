"""The names of all resources of one type in an account, to tell what else a pattern would match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.inventory import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.commands.shared.reader import Reader


def cluster_names(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the names of all clusters."""
    return _named(reader.read_all("ecs:ListClusters", "clusterArns"), lambda arn: arn.rpartition("/")[2])


def family_names(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the families of all task definitions that can be run."""
    return _named(reader.read_all("ecs:ListTaskDefinitionFamilies", "families", status="ACTIVE"), str)


def role_arns(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the ARNs of all roles."""
    return _named(reader.read_all("iam:ListRoles", "Roles"), lambda role: role["Arn"])


def _named(found: list[Any] | Unknown, name_of: Callable[[Any], str]) -> tuple[str, ...] | Unknown:
    return found if isinstance(found, Unknown) else tuple(name_of(one) for one in found)

"""A handler whose module makes one boto3 client at import, and nothing else."""

from __future__ import annotations

from typing import Any

import boto3

ecs = boto3.client("ecs")


def handler(_event: Any, _context: Any) -> None:
    """Do nothing: the import was all."""

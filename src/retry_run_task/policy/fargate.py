"""The task sizes of Fargate.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNITS_PER_VCPU = 1024
MIB_PER_GB = 1024


def _gb(first: int, last: int, step: int = 1) -> tuple[int, ...]:
    return tuple(range(first * MIB_PER_GB, last * MIB_PER_GB + 1, step * MIB_PER_GB))


# Memory in MiB for each number of CPU units.
SIZES: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        256: (512, 1024, 2048),
        512: _gb(1, 4),
        1024: _gb(2, 8),
        2048: _gb(4, 16),
        4096: _gb(8, 30),
        8192: _gb(16, 60, 4),
        16384: _gb(32, 120, 8),
        32768: (60 * MIB_PER_GB, 120 * MIB_PER_GB, 244 * MIB_PER_GB),
    }
)

PATTERN = r"^(\d*\.?\d+) vCPU, (\d*\.?\d+) GB$"
_SIZE = re.compile(PATTERN)


def read_size(text: str) -> tuple[int, int]:
    """Read a task size, as CPU units and MiB.

    >>> read_size("1 vCPU, 8 GB"), read_size(".25 vCPU, 0.5 GB")
    ((1024, 8192), (256, 512))

    Raises:
        ValueError: The text has another form, or Fargate has no such size; the message lists the sizes.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size; expected one such as '1 vCPU, 8 GB'")
    cpu, memory = round(float(found[1]) * UNITS_PER_VCPU), round(float(found[2]) * MIB_PER_GB)
    if cpu not in SIZES:
        raise ValueError(f"Fargate has no {found[1]} vCPU; it has {', '.join(_vcpus(c) for c in SIZES)}")
    if memory not in SIZES[cpu]:
        allowed = ", ".join(_gigabytes(m) for m in SIZES[cpu])
        raise ValueError(f"Fargate has no {found[2]} GB with {found[1]} vCPU; it has {allowed} GB")
    return cpu, memory


def size_text(cpu: int, memory: int) -> str:
    """Return a size as ``read_size`` reads it.

    >>> size_text(256, 512)
    '0.25 vCPU, 0.5 GB'
    """
    return f"{_vcpus(cpu)} vCPU, {_gigabytes(memory)} GB"


def _vcpus(cpu: int) -> str:
    return f"{cpu / UNITS_PER_VCPU:g}"


def _gigabytes(memory: int) -> str:
    return f"{memory / MIB_PER_GB:g}"

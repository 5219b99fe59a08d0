"""The task sizes of Fargate, and how requests write them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

UNITS_PER_VCPU = 1024
MIB_PER_GB = 1024


def _gigabytes(first: int, last: int, step: int = 1) -> Container[int]:
    return range(first * MIB_PER_GB, last * MIB_PER_GB + 1, step * MIB_PER_GB)


MEMORY_MIB: dict[int, Container[int]] = {
    256: (512, 1024, 2048),
    512: _gigabytes(1, 4),
    1024: _gigabytes(2, 8),
    2048: _gigabytes(4, 16),
    4096: _gigabytes(8, 30),
    8192: _gigabytes(16, 60, 4),
    16384: _gigabytes(32, 120, 8),
    32768: (60 * MIB_PER_GB, 120 * MIB_PER_GB, 244 * MIB_PER_GB),
}


def cpu_units(cpu: str) -> int:
    """Read ``1024`` or ``1 vCPU``; 0 for any other text.

    >>> cpu_units("256"), cpu_units(".25 vCPU"), cpu_units("plenty")
    (256, 256, 0)
    """
    return _read(cpu, "vcpu", UNITS_PER_VCPU)


def memory_mib(memory: str) -> int:
    """Read ``3072`` or ``3 GB``; 0 for any other text."""
    return _read(memory, "gb", MIB_PER_GB)


def is_fargate_size(cpu: str, memory: str) -> bool:
    """Tell whether Fargate has a task of this size.

    >>> is_fargate_size("256", "512"), is_fargate_size("512", "512"), is_fargate_size("1 vCPU", "2 GB")
    (True, False, True)
    """
    return memory_mib(memory) in MEMORY_MIB.get(cpu_units(cpu), ())


# There are few sizes, and every request has one.
@functools.lru_cache(maxsize=256)
def _read(text: str, unit: str, factor: int) -> int:
    number = text.strip().lower()
    is_in_units = number.endswith(unit)
    try:
        return round(float(number.removesuffix(unit)) * (factor if is_in_units else 1))
    except (ValueError, OverflowError):
        return 0

"""Search every history of a launch up to a depth for one that breaks a rule: ``make prove``.

Prints for each scope the depth reached, the states visited, the transitions checked and the time; exits 1 with the
moves that lead there if a rule does not hold.

    python tools/prove.py              as deep as a minute a scope allows
    python tools/prove.py --time 600   ten minutes a scope
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.histories import SCOPES, BrokenError, search

# Each move deeper takes about this many times as long as the one before.
GROWTH = 4


def main() -> None:
    """Go one move deeper at a time, until the next would take longer than it may."""
    parser = argparse.ArgumentParser(description="Search every short history for one that breaks a rule.")
    parser.add_argument("--time", type=float, default=60, help="seconds for each scope")
    longest_s: float = parser.parse_args().time
    print(f"{'scope':<48}{'moves':>6}{'states':>12}{'transitions':>13}{'time':>9}")
    for name, scope in SCOPES.items():
        depth = scope.depth
        while True:
            begun = time.monotonic()
            try:
                found = search(replace(scope, depth=depth))
            except BrokenError as error:
                sys.exit(f"{name}, {depth} moves: {error}")
            took_s = time.monotonic() - begun
            if took_s * GROWTH > longest_s:
                break
            depth += 1
        print(f"{name:<48}{depth:>6}{found.states:>12,}{found.transitions:>13,}{took_s:>7.1f} s", flush=True)


if __name__ == "__main__":
    main()

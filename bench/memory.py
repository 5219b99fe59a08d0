"""The peak of resident memory while a payload is taken in, and how it grows with the payload.

As a script with a file it takes in the event in that file and prints its own peak in bytes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import payloads

Json = dict[str, Any]

SIZES = (1, 100, 10_000)


def measure(sizes: tuple[int, ...] = SIZES) -> Json:
    """Return peaks in MiB for intake and for the bare baseline, each in a fresh process, and what a record adds."""
    result: Json = {"records": list(sizes)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "event.json")
        peaks: dict[str, list[int]] = {"intake": [], "bare": []}
        for size in sizes:
            path.write_text(json.dumps(payloads.event(size)), encoding="ascii")
            for way, found in peaks.items():
                found.append(_peak_of(way, path))
    for way, found in peaks.items():
        result[f"{way}_peak_mib"] = [round(peak / 1024**2, 1) for peak in found]
        result[f"{way}_growth_kib_per_record"] = round(
            (found[-1] - found[0]) / (sizes[-1] - sizes[0]) / 1024, 1
        )
    result["growth_times_bare"] = round(
        (peaks["intake"][-1] - peaks["intake"][0]) / (peaks["bare"][-1] - peaks["bare"][0]), 1
    )
    return result


def _peak_of(way: str, path: Path) -> int:
    command = [sys.executable, __file__, way, str(path)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def peak_bytes() -> int:
    """Return the highest this process's resident memory has been."""
    try:
        # getrusage would count what the parent had before exec as ours: Linux hands it down.
        # https://man7.org/linux/man-pages/man5/proc_pid_status.5.html (VmHWM)
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def _child(way: str, path: Path) -> None:
    event = json.loads(path.read_text(encoding="ascii"))
    if way == "intake":
        # Its handler, too: what a function has loaded counts.
        from throughput import logged  # noqa: PLC0415

        from retry_run_task.handlers import intake  # noqa: F401, PLC0415

        logged(event)
    else:
        import base64  # noqa: PLC0415
        import gzip  # noqa: PLC0415

        payload = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
        for one in payload["logEvents"]:
            json.loads(one["message"])
    print(peak_bytes())


if __name__ == "__main__":
    if len(sys.argv) == 3:  # noqa: PLR2004 - a way and a file
        _child(sys.argv[1], Path(sys.argv[2]))
    else:
        print(json.dumps(measure()))

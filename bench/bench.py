"""Measures speed, start-up and memory in one run, each beside the least that the same thing can cost.

    make bench
    .venv/bin/python bench/bench.py --json

README.md in this folder says what each figure means. Results go to stdout, progress to stderr. With BENCH_RIE=1
in the environment it also starts the built zip in AWS's runtime emulator.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import door
import memory
import resume
import rie
import startup

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

HERE = Path(__file__).parent


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="Measure speed, start-up and memory.")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    as_json = parser.parse_args().json
    # A warm process finds its bytecode; where a measurement is without, it says so itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    result = measure()
    result["seconds"] = round(time.monotonic() - began)
    print(json.dumps(result) if as_json else "\n".join(lines(result)))


def measure() -> Json:
    """Return every figure."""
    result: Json = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
    progress("records per second")
    # In a process of its own: nothing else is in its memory or on its interpreter lock.
    command = [sys.executable, str(HERE / "throughput.py")]
    result["throughput"] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    progress("resumes")
    result["resume"] = resume.measure()
    progress("memory")
    result["memory"] = memory.measure()
    result["startup"] = startup.measure(5, progress)
    try:
        result["door"] = door.measure(5, progress)
    except door.NotToBeHadError as error:
        result["door"] = {"not_measured": str(error)}
    progress("imports")
    result["imports"] = startup.imports(3)
    if os.environ.get("BENCH_RIE") == "1":
        try:
            result["rie"] = rie.measure(5, progress)
        except rie.NotToBeHadError as error:
            result["rie"] = {"not_measured": str(error)}
    else:
        result["rie"] = {
            "not_measured": "BENCH_RIE=1 make bench does, and fetches AWS's runtime emulator for it"
        }
    return result


def progress(text: str) -> None:
    """Say on stderr what is measured now."""
    print(f"bench: {text} ...", file=sys.stderr, flush=True)


def lines(result: Json) -> Iterator[str]:
    """Yield the result for a person."""
    yield f"Python {result['python']}, {result['machine']}, {result['cpus']} CPUs; {result['seconds']} s"
    yield from _throughput(result["throughput"])
    yield from _startup(result["startup"], result["imports"])
    yield from _door(result["door"])
    yield from _resume(result["resume"])
    yield from _memory(result["memory"])
    yield from _rie(result["rie"])


def _throughput(found: Json) -> Iterator[str]:
    yield ""
    yield (
        f"Intake, records a second of one core ({found['records']} records of {found['record_bytes']} bytes "
        f"a payload, median of {found['rounds']})"
    )
    yield f"  {'':<44}{'all in scope':>18}{'1 of 20 in scope':>20}"
    words = {
        "logged": "payload to decision, as in Lambda",
        "silent": "the same without writing the log",
        "bare": "bare: base64, gzip, json.loads",
    }
    for way, word in words.items():
        cells = [_rate(found[mix], way) for mix in ("all_in_scope", "mostly_others")]
        yield f"  {word:<44}{cells[0]:>18}{cells[1]:>20}"


def _rate(found: Json, way: str) -> str:
    times = f" ({found[f'{way}_times_bare']} x)" if way != "bare" else "        "
    return f"{found[f'{way}_records_per_s']:,}{times}".replace(",", " ")


def _startup(found: Json, imports: Json) -> Iterator[str]:
    yield ""
    yield f"From process start to the first call, on loopback (median of {found['rounds']}, interleaved)"
    words = {
        "bare_script": "bare boto3 script: RunTask",
        "bare_handler": "bare boto3 handler: RunTask",
        "intake_installed": "intake: Invoke",
        "recover_installed": "recover: RunTask",
        "intake_zip": "intake: Invoke, from the zip, no bytecode",
        "recover_zip": "recover: RunTask, from the zip, no bytecode",
    }
    for kind, word in words.items():
        if kind in found["ms"]:
            yield f"  {word:<44}{found['ms'][kind]:>8} ms{found['times_bare_script'][kind]:>8} x"
    if "intake_zip" not in found["ms"]:
        yield "  (build/lambda.zip is not there; make bundle makes it)"
    yield ""
    total = f"{imports['total_ms']} ms for {imports['modules']} modules"
    yield f"Import of intake: {total}, traced; of that, the heaviest packages and modules by themselves"
    packages, modules = imports["by_package_ms"].items(), imports["by_module_ms"].items()
    for (package, its), (module, own) in zip(packages, modules, strict=False):
        yield f"  {package:<26}{its:>6} ms    {module:<44}{own:>6} ms"


def _door(found: Json) -> Iterator[str]:
    yield ""
    if "not_measured" in found:
        yield f"Intake beside the original handler: not measured; {found['not_measured']}"
        return
    yield (
        f"Intake beside the original handler, which is in Node {found['node']} "
        f"(least of {found['rounds']}, interleaved)"
    )
    names = [name for name in ("original", "bare", "intake", "intake_zip") if name in found["first_call"]]
    yield f"  {'':<44}" + "".join(f"{name.replace('_', ', from the '):>22}" for name in names)
    words = {
        "first_call": "process start to the first call",
        "warm_record": "one record, 2nd to 11th of a process",
        "hot_record": "one record, 41st to 80th of a process",
        f"{door.MANY}_records": f"{door.MANY} records, {found['call_ms']:.0f} ms a call",
    }
    for row, word in words.items():
        cells = [
            f"{found[row][name]['ms']} ms ({found[row][name]['times_original']} x)"
            if name in found[row]
            else ""
            for name in names
        ]
        yield f"  {word:<44}" + "".join(f"{cell:>22}" for cell in cells)
    most = found["most"]
    yield f"  {most['records']} records in one payload: {most['seconds']} s of the {most['of_s']} s that intake has"


def _resume(found: Json) -> Iterator[str]:
    yield ""
    hours = "".join(f"{f'{hours} h':>10}" for hours in found["hours"])
    title = f"A resume of recover, ms (median of {found['rounds']}), after"
    yield f"{title:<46}{hours}"
    rows = {
        "operations": "operations done before",
        "resume_ms": "resume",
        "bare_ms": "bare: json.loads of each",
    }
    for key, word in rows.items():
        yield f"  {word:<44}" + "".join(f"{cell:>10}" for cell in found[key])


def _memory(found: Json) -> Iterator[str]:
    yield ""
    sizes = "".join(f"{f'{size:,}'.replace(',', ' '):>10}" for size in found["records"])
    yield f"Peak resident memory, MiB, by records{sizes}    growth per record"
    for way, word in (("intake", "intake"), ("bare", "bare: base64, gzip, json.loads")):
        peaks = "".join(f"{peak:>10}" for peak in found[f"{way}_peak_mib"])
        yield f"  {word:<35}{peaks}    {found[f'{way}_growth_kib_per_record']} KiB"
    yield f"  {'intake grows by':<35}{'':>30}    {found['growth_times_bare']} x"


def _rie(found: Json) -> Iterator[str]:
    yield ""
    if "not_measured" in found:
        yield f"INIT in AWS's runtime emulator: not measured; {found['not_measured']}"
        return
    yield f"INIT in AWS's runtime emulator, from the zip (median of {found['rounds']}, interleaved)"
    for name, word in (("bare", "bare: boto3.client('ecs')"), ("intake", "intake"), ("recover", "recover")):
        yield f"  {word:<44}{found['init_ms'][name]:>8} ms{found['times_bare'][name]:>8} x"


if __name__ == "__main__":
    main()

"""Play simulated stories with fresh numbers until the time is up: ``make soak TIME=600``.

Prints runs per second. If a rule does not hold, prints the story as small as it gets, what happened in it line by
line, and the command that plays it again; exit 1.

    python tools/soak.py --time 600                 fresh numbers
    python tools/soak.py --season 4711              the stories of one number again
    python tools/soak.py --story "Story(...)"       one story again, with all that happens in it
"""

from __future__ import annotations

import argparse
import re
import secrets
import shlex
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

# Few enough that a season ends within seconds, so that the time given is kept.
RUNS = 200
# Seasons of the tests have the numbers below; soaking is for others.
FIRST_NUMBER = 1_000


def main() -> int:
    """Return the exit code: 0 if every rule held, 1 if not."""
    options = _options()
    if options.story:
        return _play_story(options.story)
    if options.season is not None:
        return _report(options.season, _play(options.season))
    return _soak(options.time, options.jobs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--time", type=float, default=60.0, help="for how long, in seconds")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--season", type=int, help="play the stories of this number again, and no others")
    parser.add_argument("--story", help="play this story, written as it was printed, and no others")
    return parser.parse_args()


def _play(number: int) -> tuple[int, Counter[str], str]:
    """Return how many stories there were, how often each fault happened, and what went wrong; empty if nothing."""
    from support.seasons import play_season  # noqa: PLC0415 - each process imports it for itself

    try:
        season = play_season(number, RUNS)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in a story is a finding
        return 0, Counter(), "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    return season.runs, Counter({fault.name: count for fault, count in season.faults.items()}), ""


def _soak(seconds: float, jobs: int) -> int:
    began = time.monotonic()
    runs, faults = 0, Counter[str]()
    with ProcessPoolExecutor(jobs) as pool:
        playing = {}
        while True:
            while len(playing) < jobs and time.monotonic() - began < seconds:
                number = FIRST_NUMBER + secrets.randbelow(10**9)
                playing[pool.submit(_play, number)] = number
            if not playing:
                break
            for future in wait(playing, return_when=FIRST_COMPLETED).done:
                number = playing.pop(future)
                played, happened, wrong = future.result()
                if wrong:
                    return _report(number, (played, happened, wrong))
                runs += played
                faults += happened
                _tell_progress(runs, time.monotonic() - began)
    took = time.monotonic() - began
    print(f"{runs} runs in {took:.0f} s, {runs / took:.1f} runs/s with {jobs} processes; every rule held.")
    print(f"{sum(faults.values())} faults of {len(faults)} kinds happened; fewest: {_fewest(faults)}.")
    return 0


def _tell_progress(runs: int, took: float) -> None:
    print(
        f"\r{runs} runs, {runs / took:.1f} runs/s",
        end="\n" if not sys.stderr.isatty() else "",
        file=sys.stderr,
    )


def _fewest(faults: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in faults.most_common()[:-4:-1])


def _report(number: int, played: tuple[int, Counter[str], str]) -> int:
    runs, _, wrong = played
    if not wrong:
        print(f"{runs} runs of season {number}; every rule held.")
        return 0
    print(f"\nSeason {number} broke a rule.\n\n{wrong}\n")
    print(f"The season again:          make soak SEASON={number}")
    if story := re.search(r"^Story\(.*$", wrong, re.MULTILINE):
        print(f"Its smallest story again:  .venv/bin/python tools/soak.py --story {shlex.quote(story[0])}")
    return 1


def _play_story(text: str) -> int:
    from support import simulation, stories  # noqa: PLC0415 - slow to import, and of no use to --help

    story = eval(text, {**vars(simulation), **vars(stories)})  # noqa: S307 - it is the person's own command line
    try:
        system = story.play()
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        print(f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="\n")
        return 1
    print(system.chronicle.told())
    print("Every rule held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

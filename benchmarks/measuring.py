"""What the benchmarks share: seconds, ratios of interleaved rounds, and peak memory in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Run = Callable[[], Any]
# Processor seconds hardly depend on what else a machine does; with one thread they are what a quiet one would take.
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
chosen_clock = "wall"


def timed(run: Run) -> float:
    """Return the seconds that a run takes, by the clock that was chosen."""
    clock = CLOCKS[chosen_clock]
    start = clock()
    run()
    return clock() - start


def interleaved(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each run in each round; every round runs each once, in turn, after a warm-up."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    return seconds


def ratio(of: list[float], to: list[float]) -> float:
    """Return the median over the rounds of one run's time over another's of the same round."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def milliseconds(seconds: list[float]) -> float:
    """Return the median in milliseconds."""
    return 1e3 * statistics.median(seconds)


def can_measure_memory() -> bool:
    """Whether this system tells a process's peak memory and lets it be reset (Linux)."""
    return Path("/proc/self/clear_refs").exists()


def rise(run: Run) -> float:
    """Return how many MiB the resident set rises above where it stands, while something runs."""
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    run()
    return (_status("VmHWM") - before) / 1024


def rise_elsewhere(script: str, *arguments: str) -> float:
    """Return what a script prints last, run in a fresh process with `--measure-memory` and arguments."""
    command = [sys.executable, script, "--measure-memory", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _status(name: str) -> int:
    """Return an entry of /proc/self/status in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

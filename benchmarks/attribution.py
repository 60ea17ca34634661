"""Attributions side by side with the peers: time and peak memory, as ratios within one run.

    python benchmarks/attribution.py                       # everything, about ten minutes on two cores
    python benchmarks/attribution.py --networks ResNet18 --methods saliency grad_cam --rounds 9

Every round runs each library once, in turn, so that a machine that gets slower slows all of them. A ratio is the
median over the rounds of ours divided by the peer's of the same round; below 1 means that cnnwidgets is faster. The
peak memory is measured in a process of its own for each library: how far the resident set rises above where it was
when model and input were ready.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
warnings.filterwarnings("ignore")
OURS = "cnnwidgets"


def timed(run) -> float:  # noqa: ANN001 - see peers.Run
    """Return the seconds that a run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def best_batch(libraries: dict) -> dict:
    """Keep, of several batch sizes of a peer, the fastest in one run each."""
    batched = {name: run for name, run in libraries.items() if "batches of" in name}
    if not batched:
        return libraries
    seconds = {name: timed(run) for name, run in batched.items()}
    fastest = min(seconds, key=seconds.__getitem__)
    return {OURS: libraries[OURS], fastest: batched[fastest]}


def memory_of(network: str, method: str, library: str) -> float:
    """Return the peak memory of one run in MiB, measured in a fresh process."""
    command = [sys.executable, __file__, "--measure-memory", network, method, library]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure_memory(network: str, method: str, library: str) -> None:
    """Print how many MiB the resident set rises above where it stood before the run (Linux)."""
    import peers

    model, x = peers.make(network)
    # Code is loaded at the first run; a small picture needs little memory for that.
    peers.runs(network, model, x[:, :, :64, :64].clone())[method][library]()
    run = peers.runs(network, model, x)[method][library]
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    run()
    print((status("VmHWM") - before) / 1024)


def status(name: str) -> int:
    """Return an entry of /proc/self/status in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def compare(network: str, method: str, rounds: int, *, memory: bool) -> None:
    """Print one line per peer."""
    import peers

    model, x = peers.make(network)
    libraries = best_batch(peers.runs(network, model, x).get(method, {}))
    if not libraries:
        print(f"{network:20} {method:11} does not fit this network")
        return
    for run in libraries.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in libraries}
    for _ in range(rounds):
        for name, run in libraries.items():
            seconds[name].append(timed(run))
    peak = {name: memory_of(network, method, name) for name in libraries} if memory else {}
    for peer in libraries:
        if peer == OURS:
            continue
        ratio = statistics.median(a / b for a, b in zip(seconds[OURS], seconds[peer], strict=True))
        mine, theirs = (1e3 * statistics.median(seconds[name]) for name in (OURS, peer))
        line = f"{network:20} {method:11} {peer:22} time x{ratio:.2f}  ({mine:.0f} against {theirs:.0f} ms)"
        if memory:
            line += f"   peak memory x{peak[OURS] / peak[peer]:.2f}  ({peak[OURS]:.0f} against {peak[peer]:.0f} MiB)"
        print(line, flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", help="names as in peers.py; default: all")
    parser.add_argument("--methods", nargs="+", default=["saliency", "smoothgrad", "cam", "grad_cam"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--measure-memory", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(chosen.threads)
    if chosen.measure_memory:
        measure_memory(*chosen.measure_memory)
        return
    import peers

    memory = not chosen.no_memory and Path("/proc/self/clear_refs").exists()
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {chosen.threads} threads, {chosen.rounds} rounds, load {load:.1f} at the start")
    for network in chosen.networks or peers.NETWORKS:
        for method in chosen.methods:
            compare(network, method, chosen.rounds, memory=memory)


if __name__ == "__main__":
    main()

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
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import can_measure_memory, interleaved, milliseconds, ratio, rise, rise_elsewhere, timed

warnings.filterwarnings("ignore")
OURS = "cnnwidgets"


def best_batch(libraries: dict) -> dict:
    """Keep, of several batch sizes of a peer, the fastest in one run each."""
    batched = {name: run for name, run in libraries.items() if "batches of" in name}
    if not batched:
        return libraries
    seconds = {name: timed(run) for name, run in batched.items()}
    fastest = min(seconds, key=seconds.__getitem__)
    return {OURS: libraries[OURS], fastest: batched[fastest]}


def measure_memory(network: str, method: str, library: str) -> None:
    """Print how many MiB the resident set rises."""
    import peers

    model, x = peers.make(network)
    # Code is loaded at the first run; a small picture needs little memory for that.
    peers.runs(network, model, x[:, :, :64, :64].clone())[method][library]()
    run = peers.runs(network, model, x)[method][library]
    print(rise(run))


def compare(network: str, method: str, rounds: int, *, memory: bool) -> None:
    """Print one line per peer."""
    import peers

    model, x = peers.make(network)
    libraries = best_batch(peers.runs(network, model, x).get(method, {}))
    if not libraries:
        print(f"{network:20} {method:11} does not fit this network")
        return
    seconds = interleaved(libraries, rounds)
    peak = {name: rise_elsewhere(__file__, network, method, name) for name in libraries} if memory else {}
    for peer in libraries:
        if peer == OURS:
            continue
        times = ratio(seconds[OURS], seconds[peer])
        mine, theirs = milliseconds(seconds[OURS]), milliseconds(seconds[peer])
        line = f"{network:20} {method:11} {peer:22} time x{times:.2f}  ({mine:.0f} against {theirs:.0f} ms)"
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

    memory = not chosen.no_memory and can_measure_memory()
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {chosen.threads} threads, {chosen.rounds} rounds, load {load:.1f} at the start")
    for network in chosen.networks or peers.NETWORKS:
        for method in chosen.methods:
            compare(network, method, chosen.rounds, memory=memory)


if __name__ == "__main__":
    main()

"""Occlusion side by side with captum, and one live position beside a plain pass: ratios within one run.

    python benchmarks/occlusion.py                              # everything, about half an hour on two cores
    python benchmarks/occlusion.py --networks ResNet18 --strides 16 --rounds 5
    python benchmarks/occlusion.py --clock cpu --threads 1      # where other programs run: processor time

224 x 224 pixels, a window of 32 x 32. Sweeps are compared with captum at the `perturbations_per_eval` that was the
fastest of 1, 2, 4, 8 and 16 in a trial; the time includes making the engine, but not the first export of the
network's graph, which is kept (it is printed). "Bound" is what the arithmetic of the convolutions allows: those of all
whole passes over those that exact incremental inference cannot avoid, one place at a time; "reached" is how much
faster our sweep is than our own engine's whole passes, as a share of that.

Memory is how far the resident set rises above where it was when model and input were ready, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
warnings.filterwarnings("ignore")

import measuring  # noqa: E402
from measuring import (  # noqa: E402
    can_measure_memory,
    interleaved,
    milliseconds,
    ratio,
    rise,
    rise_elsewhere,
    timed,
)

WINDOW, SIZE, TARGET = 32, 224, 281
MIB = 2**20


def engine(model, x):  # noqa: ANN001, ANN201
    """Return the incremental engine for a picture."""
    from cnnwidgets.explain.incremental import incremental_passes
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.subject import subject_of

    network = Network(subject_of(model, x))
    return incremental_passes(network, network.x)


def places(stride: int) -> list[tuple[int, int]]:
    """Return the places of a sweep, top and left."""
    starts = range(0, SIZE - WINDOW + 1, stride)
    return [(top, left) for top in starts for left in starts]


def captum_sweep(model, x, stride: int, batch: int) -> None:  # noqa: ANN001
    """Let captum make the map."""
    import torch
    from captum.attr import Occlusion

    with torch.no_grad():
        Occlusion(model).attribute(
            x,
            target=TARGET,
            sliding_window_shapes=(3, WINDOW, WINDOW),
            strides=(3, stride, stride),
            baselines=0.0,
            perturbations_per_eval=batch,
        )


def our_sweep(model, x, stride: int, **options) -> object:  # noqa: ANN001, ANN003
    """Make the map."""
    from cnnwidgets import explain

    return explain.occlusion(model, x, TARGET, window=WINDOW, stride=stride, baseline=0.0, **options)


def bound(made, stride: int) -> float:  # noqa: ANN001
    """Return how many times fewer multiplications the places need than as many whole passes."""
    made.spent = 0
    some = places(stride)
    for top, left in some:
        made.outputs([top], [left], made.base[:, :, :WINDOW, :WINDOW])
    return made.macs * len(some) / made.spent


def sweeps(name: str, model, x, strides: list[int], rounds: int) -> None:  # noqa: ANN001
    """Print the lines about sweeps."""
    import numpy as np
    import torch

    first = timed(lambda: engine(model, x))
    made = engine(model, x)
    trials = {batch: timed(lambda batch=batch: captum_sweep(model, x, 32, batch)) for batch in (1, 2, 4, 8, 16)}
    batch = min(trials, key=trials.__getitem__)
    for stride in strides:
        runs = {
            "ours": lambda stride=stride: our_sweep(model, x, stride),
            "captum": lambda stride=stride: captum_sweep(model, x, stride, batch),
        }
        seconds = interleaved(runs, rounds)
        whole = np.mean([timed(lambda: our_sweep(model, x, 32, incremental=False)) for _ in range(2)]) / len(places(32))
        limit, gain = bound(made, stride), ratio(seconds["captum"], seconds["ours"])
        reached = whole * len(places(stride)) / (milliseconds(seconds["ours"]) / 1e3) / limit
        print(
            f"{name:19} stride {stride:2}  {gain:5.2f} times as fast as captum in batches of {batch}  "
            f"({milliseconds(seconds['ours']) / 1e3:.2f} against {milliseconds(seconds['captum']) / 1e3:.2f} s)   "
            f"bound {limit:.2f}, {100 * reached:.0f} % of it reached over our whole passes",
            flush=True,
        )
    ours, full = (our_sweep(model, x, 32, incremental=flag).values for flag in (True, False))
    with torch.no_grad():
        scores = model(x)
        span = float(scores.max() - scores.min())
    coarse = our_sweep(model, x, 32, dtype=torch.bfloat16).values
    print(
        f"{name:19} first use {first:.1f} s; largest difference to whole passes {np.abs(ours - full).max() / span:.1e} "
        f"of the score range; in bfloat16 {np.abs(coarse - full).max() / span:.1e}",
        flush=True,
    )


def live(name: str, model, x, rounds: int) -> None:  # noqa: ANN001
    """Print the line about one position."""
    import copy

    import torch

    made, patch = engine(model, x), torch.zeros(1, 3, WINDOW, WINDOW)
    half = engine_in(model, x, torch.bfloat16)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    x_last = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        runs = {
            "live": lambda: made.outputs([96], [96], patch),
            "bfloat16": lambda: half.outputs([96], [96], patch),
            "channels_last": lambda: last(x_last),
            "plain": lambda: model(x),
        }
        seconds = interleaved(runs, rounds)
    print(
        f"{name:19} one place in the middle: {ratio(seconds['live'], seconds['channels_last']):.2f} of a channels_last "
        f"pass, {ratio(seconds['live'], seconds['plain']):.2f} of a plain one ({milliseconds(seconds['live']):.1f}, "
        f"{milliseconds(seconds['channels_last']):.1f}, {milliseconds(seconds['plain']):.1f} ms); bfloat16 "
        f"{ratio(seconds['bfloat16'], seconds['channels_last']):.2f}",
        flush=True,
    )


def engine_in(model, x, dtype):  # noqa: ANN001, ANN201
    """Return the passes in another dtype."""
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.passes import make_passes
    from cnnwidgets.explain.subject import subject_of

    network = Network(subject_of(model, x))
    return make_passes(network, network.x, dtype=dtype)


def measure_memory(name: str, what: str) -> None:
    """Print how many MiB the resident set rises, or what the engine keeps."""
    import copy

    import peers
    import torch

    model, x = peers.make(name)
    small = x[:, :, :64, :64].clone()
    with torch.no_grad():
        model(x[:, :, :96, :96])
    if what == "weights":
        print(sum(p.nbytes for p in model.parameters()) / MIB)
    elif what == "kept":
        print(engine(model, x).cached_bytes / MIB)
    elif what == "plain":
        model = copy.copy(model).to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            print(rise(lambda: model(x)))
    else:
        from cnnwidgets import explain
        from cnnwidgets.explain.incremental.graph import graph_of
        from cnnwidgets.explain.network import Network
        from cnnwidgets.explain.subject import subject_of

        explain.occlusion(model, small, 0, window=32, stride=32)  # loads the code
        graph_of(Network(subject_of(model, x)))  # the graph is kept; the engine is made within the sweep
        print(rise(lambda: our_sweep(model, x, 16)))


def memory(name: str) -> None:
    """Print the line about memory."""
    plain, kept, sweep, weights = (
        rise_elsewhere(__file__, name, what) for what in ("plain", "kept", "sweep", "weights")
    )
    print(
        f"{name:19} memory: a sweep {sweep:.0f} MiB, of which {kept:.0f} are kept maps; a plain channels_last pass "
        f"{plain:.0f} (and {weights:.0f} of weights, of which the engine has its own copy of the convolutions'): "
        f"({sweep:.0f} - {kept:.0f}) / {plain:.0f} = {(sweep - kept) / plain:.2f}, with weights "
        f"{(sweep - kept + weights) / (plain + weights):.2f}",
        flush=True,
    )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", help="names as in peers.py; default: all")
    parser.add_argument("--strides", nargs="+", type=int, default=[16, 8])
    parser.add_argument("--parts", nargs="+", default=["sweeps", "live", "memory"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=list(measuring.CLOCKS), default="wall", help="cpu: on a busy machine")
    parser.add_argument("--measure-memory", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(chosen.threads)
    measuring.chosen_clock = chosen.clock
    if chosen.measure_memory:
        measure_memory(*chosen.measure_memory)
        return
    import peers

    load = os.getloadavg()[0]
    print(
        f"torch {torch.__version__}, {chosen.threads} threads, {chosen.rounds} rounds, {chosen.clock} clock, "
        f"load {load:.1f} at the start"
    )
    for name in chosen.networks or peers.NETWORKS:
        model, x = peers.make(name)
        if "live" in chosen.parts:
            live(name, model, x, 5 * chosen.rounds)
        if "sweeps" in chosen.parts:
            sweeps(name, model, x, chosen.strides, chosen.rounds)
        if "memory" in chosen.parts and can_measure_memory():
            memory(name)


if __name__ == "__main__":
    main()

"""Indexing a data set: what a build costs beside bare passes, how soon a finished index answers, what memory it takes.

    python benchmarks/patches.py                                # everything, about twenty minutes
    python benchmarks/patches.py --parts building --networks ResNet18 --images 2000 --rounds 3
    python benchmarks/patches.py --parts memory

"building": the index of all layers, as a ratio to bare `channels_last` passes (in evaluation mode, without gradients,
in the batch that is fastest here) over the same images from the same loader: JPEG files that a Classifier prepares, and
tensors in memory, where there is nothing to load. "opening": a finished index of 50,000 images of ResNet18's layers,
made of random findings, opened and asked for a channel's patches, in fresh processes and again with a warm file.
"memory": peak memory of builds over 1,000 to 100,000 random images, each in a process of its own.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
warnings.filterwarnings("ignore")

import measuring  # noqa: E402
from measuring import interleaved, ratio  # noqa: E402
from simulated import simulate  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 2**20
STORED = 50_000
COUNTS = (1_000, 10_000, 100_000)
ASKED = """
import sys, time
import cnnwidgets.patches.index as module
start = time.perf_counter()
index = module.PatchIndex.open(sys.argv[1])
opened = time.perf_counter()
top = index.top(index.layers[-1].name, 7)
asked = time.perf_counter()
assert len(top) == 16
print(opened - start, asked - opened)
"""


def network(name: str) -> Any:
    """Return a classifier: EfficientNet-Lite0 as the demo has it, or a torchvision network with random weights."""
    import torch
    import torchvision

    import cnnwidgets as cw

    demo = cw.demo.imagenet()
    if name == "EfficientNet-Lite0":
        return demo
    torch.manual_seed(0)
    return cw.Classifier(getattr(torchvision.models, name.lower())().eval(), demo.preprocess, demo.classes)


def write_pictures(folder: Path, count: int) -> None:
    """Write JPEG files of 375 x 300 pixels, crops of the demo photographs."""
    import numpy as np

    import cnnwidgets as cw

    generator = np.random.default_rng(0)
    photos = [cw.demo.photo(name) for name in cw.demo.photos()]
    for number in range(count):
        photo = photos[number % len(photos)]
        height = int(generator.integers(100, min(photo.height, int(photo.width / 1.25))))
        width = int(height * 1.25)
        left = int(generator.integers(0, photo.width - width + 1))
        top = int(generator.integers(0, photo.height - height + 1))
        crop = photo.crop((left, top, left + width, top + height)).resize((375, 300))
        crop.save(folder / f"{number:06d}.jpg", quality=90)


class InMemory:
    """Images that cost nothing to load: a few tensors, each time in another brightness."""

    def __init__(self, pictures: list[Any], count: int) -> None:
        self._pictures, self._count = pictures, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Any:
        return self._pictures[number % len(self._pictures)] * (1 + 0.3 * (number % 97) / 97)


def loaded(model: Any, images: Any, batch: int) -> Iterator[Any]:
    """Yield batches from the loader that the build uses."""
    import torch

    from cnnwidgets.patches.sources import source_of

    held: list[Any] = []
    for item in source_of(model, images).items():
        held.append(item.x)
        if len(held) == batch:
            yield torch.stack(held).contiguous(memory_format=torch.channels_last)
            held = []
    if held:
        yield torch.stack(held).contiguous(memory_format=torch.channels_last)


def building(name: str, count: int, rounds: int) -> None:
    """Print what a build costs beside bare passes."""
    import torch

    import cnnwidgets as cw

    clf = network(name)
    last = copy.deepcopy(clf.model).to(memory_format=torch.channels_last)

    def bare(images: Any, batch: int) -> None:
        with torch.inference_mode():
            for x in loaded(clf, images, batch):
                last(x)

    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        write_pictures(pictures, count)
        few = [item for batch in loaded(clf, [*sorted(pictures.iterdir())[:64]], 1) for item in batch]
        trial = InMemory(few, 64)
        seconds = interleaved({str(b): lambda b=b: bare(trial, b) for b in (1, 2, 4, 8, 16)}, 3)
        best = min(seconds, key=lambda b: statistics.median(seconds[b]))
        for what, images in (("JPEG files", pictures), ("tensors in memory", InMemory(few, count))):

            def build(images: Any = images) -> None:
                with tempfile.TemporaryDirectory() as place:
                    cw.PatchIndex.build(clf, images, path=Path(place, "index"), progress=False)

            runs = {"build": build, "bare": lambda images=images: bare(images, int(best))}
            found: dict[str, list[float]] = {key: [] for key in runs}
            for _ in range(rounds):  # without a warm-up: the runs are long
                for key, run in runs.items():
                    found[key].append(measuring.timed(run))
            each = {key: 1e3 * statistics.median(values) / count for key, values in found.items()}
            print(
                f"{name:19} {count:,} {what:18} {ratio(found['build'], found['bare']):.2f} of bare passes "
                f"in batches of {best} ({each['build']:.1f} and {each['bare']:.1f} ms an image)",
                flush=True,
            )


def opening(rounds: int) -> None:
    """Print how soon a finished index answers."""
    import cnnwidgets.patches.index as module

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "simulated.patches")
        size = simulate(path, network("ResNet18"), STORED)
        cold = []
        for _ in range(rounds):
            done = subprocess.run(
                [sys.executable, "-c", ASKED, str(path)],
                capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
            )  # fmt: skip
            cold.append([float(word) for word in done.stdout.split()])
        warm = []
        for number in range(20 * rounds):
            start = time.perf_counter()
            index = module.PatchIndex.open(path)
            index.top(index.layers[-1].name, number % 512)
            warm.append(time.perf_counter() - start)
        opened, asked = (1e3 * statistics.median(values) for values in zip(*cold, strict=True))
        print(
            f"{STORED:,} images, {size / MIB:.0f} MiB: in a fresh process opened in {opened:.1f} ms and asked for a "
            f"channel's 16 patches in {asked:.1f} ms; both, once warm, in {1e3 * statistics.median(warm):.1f} ms",
            flush=True,
        )


class Simulated:
    """Random images, made when they are asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Any:
        import torch

        return torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(number)), number % 10


def peak(count: int) -> float:
    """Return how many MiB a build over random images takes."""
    import torch
    from torch import nn

    import cnnwidgets as cw
    from cnnwidgets.patches.build import CHUNK

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    ).eval()  # fmt: skip

    def build(images: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cw.PatchIndex.build(net, Simulated(images), path=Path(folder, "index"), progress=False)

    build(2 * CHUNK)  # what importing, the first passes and saves, and the allocator's habits take is no part of it
    return measuring.rise(lambda: build(count))


def memory() -> None:
    """Print how the peak memory of a build depends on the number of images."""
    if not measuring.can_measure_memory():
        print("memory: left out; this system does not tell a process's peak memory")
        return
    found = {count: measuring.rise_elsewhere(__file__, str(count)) for count in COUNTS}
    print(
        "peak memory of a build above what stands: "
        + ", ".join(f"{mib:.1f} MiB for {count:,} images" for count, mib in found.items()),
        flush=True,
    )


NETWORKS = ("ResNet18", "EfficientNet-Lite0")
PARTS = ("building", "opening", "memory")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS, "ResNet50", "VGG16"], default=NETWORKS)
    parser.add_argument("--images", type=int, default=1000, help="of each build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure-memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_memory is not None:
        print(peak(options.measure_memory))
        return
    if "building" in options.parts:
        for name in options.networks:
            building(name, options.images, options.rounds)
    if "opening" in options.parts:
        opening(options.rounds)
    if "memory" in options.parts:
        memory()


if __name__ == "__main__":
    main()

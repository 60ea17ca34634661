"""A finished index of images that never were, to measure what large ones cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def simulate(path: Path, clf: Any, images: int) -> int:
    """Write an index of all layers of a classifier with random findings of many images; return its size in bytes."""
    import numpy as np
    import torch

    from cnnwidgets.patches.file import facts_of, write_index
    from cnnwidgets.patches.indexed_layer import described
    from cnnwidgets.patches.partial import RECORD
    from cnnwidgets.patches.plan import Plan, Settings
    from cnnwidgets.patches.tally import Tally

    plan = Plan.of(clf.model, torch.zeros(1, 3, 224, 224), Settings("all", 16, 1, 0), "simulated")
    generator = np.random.default_rng(0)
    channels = sum(layer.shape[0] for layer in plan.layers)
    tally = Tally([layer.shape[0] for layer in plan.layers], 16)
    tally.images, classes = images, [f"class {number}" for number in range(100)]
    for table in (tally.top, tally.bottom):
        table.values = -np.sort(-generator.standard_normal((channels, 16), np.float32), axis=1)
        table.images = generator.integers(0, images, (channels, 16), np.int32)
        table.before = table.values.copy()
        table.cells = generator.integers(0, 49, (channels, 16), np.int32)
    tally.peaks.counts[:] = tally.floors.counts[:] = 1
    tally.drawn = np.arange(16, dtype=np.int32)
    tally.drawn_cells[:] = 0
    tally.sums = generator.standard_normal((101, channels))
    tally.counts = np.full(101, images // 101, np.int64)
    tally.sketch.add(generator.standard_normal((64, channels), np.float32))
    records = np.zeros(images, RECORD)
    names = [f"class {number % 100}/picture {number:06d}.jpg".encode() for number in range(images)]
    records["item"], records["name_end"] = np.arange(images), np.cumsum([len(name) for name in names])
    records["label"], records["height"], records["width"] = np.arange(images) % 100, 375, 500
    records["box"] = (62, 0, 437, 375)
    facts = facts_of(plan, tally, classes=classes, predictions=clf.classes, source={"kind": "simulated"}, total=images)
    write_index(
        path,
        tally,
        records,
        names=np.frombuffer(b"".join(names), np.uint8),
        features=generator.standard_normal((images, 512), np.float32),
        skipped=[],
        edges=described(plan)[1],
        facts=facts,
    )
    return path.stat().st_size

"""An index held against the brute force."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tests.patches.nets import Clips
from tests.reference import patches as reference

CLIPS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, Clips)


class Brute:
    """What plain hooks see of some images, one at a time; compares an index with it.

    Args:
        model: the network.
        images: tensors (C,H,W), those that are left out included.
        skipped: numbers of the images that the index must have left out.

    """

    def __init__(self, model, images, skipped=()):
        found = [reference.maps_of(model, x) for number, x in enumerate(images) if number not in skipped]
        self.maps, self.before, self.outputs = ([one[part] for one in found] for part in range(3))
        self.keys = [reference.image_key(x) for number, x in enumerate(images) if number not in skipped]
        self.clips = {path for path, module in model.named_modules() if isinstance(module, CLIPS)}
        self.numbers = [number for number in range(len(images)) if number not in skipped]

    def of(self, layer, channel):
        return [maps[layer][channel] for maps in self.maps]

    def before_of(self, layer, channel):
        """The maps that a module that clips is given; None for another one."""
        if layer.split("#", maxsplit=1)[0] not in self.clips:
            return None
        return [before[layer][channel] for before in self.before]

    def layers(self, index):
        """The layers of an index that hooks can see."""
        return [layer for layer in index.layers if layer.name in self.maps[0]]

    def check(self, index, *, least, exact=True, per_image=1, atol=0.0, of_means=1e-5, predicted=True):
        """Compare everything that an index says of its layers, of which `least` at least must be seen by hooks.

        Where values are not exact, the patches' values are compared, and what lies in the cells that are named.
        `of_means` is the relative tolerance of means.
        """
        layers = self.layers(index)
        assert len(layers) >= least, [layer.name for layer in index.layers]
        assert len(index) == len(self.maps)
        for layer in layers:
            assert layer.shape == self.maps[0][layer.name].shape
            for channel in range(layer.shape[0]):
                maps = self.of(layer.name, channel)
                for kind in ("top", "bottom"):
                    self._extremes(index, layer, channel, maps, kind, exact=exact, per_image=per_image, atol=atol)
                self._sample(index, layer, channel, maps, atol)
            self._means(index, layer, atol, of_means)
            self._dead(index, layer, exact)
        if predicted:
            self._predicted(index)

    def _extremes(self, index, layer, channel, maps, kind, *, exact, per_image, atol):
        patches = getattr(index, kind)(layer, channel)
        lowest = kind == "bottom"
        expected = reference.best(
            maps, index.k, per_image, before=self.before_of(layer.name, channel), keys=self.keys, channel=channel,
            lowest=lowest,
        )  # fmt: skip
        got = [(patch.value + 0.0, patch.image, patch.row, patch.column) for patch in patches]
        where = f"{layer.name} {channel} {kind}"
        assert [patch.rank for patch in patches] == list(range(len(expected))), where
        if exact:
            assert got == expected, where
            assert patches.ties[:2] == (reference.ties(maps, lowest=lowest), got[0][0]), where
            return
        np.testing.assert_allclose([e[0] for e in got], [e[0] for e in expected], rtol=1e-5, atol=atol, err_msg=where)
        for value, image, row, column in got:
            np.testing.assert_allclose(value, maps[image][row, column], rtol=1e-5, atol=atol, err_msg=where)

    def _sample(self, index, layer, channel, maps, atol):
        patches = index.sample(layer, channel)
        assert len(patches) == min(index.k, len(maps))
        assert list(patches.values) == sorted(patches.values, reverse=True)
        for patch in patches:
            np.testing.assert_allclose(patch.value, maps[patch.image][patch.row, patch.column], rtol=1e-5, atol=atol)

    def _means(self, index, layer, atol, rtol):
        means = np.array([[reference.mean(one) for one in maps[layer.name]] for maps in self.maps])
        close = {"rtol": rtol, "atol": max(atol, 1e-6 * np.abs(means).max())}
        np.testing.assert_allclose(index.mean(layer), means.mean(0), **close)
        expected = [means[index.labels == label].mean(0) for label in range(len(index.classes))]
        if expected:
            np.testing.assert_allclose(index.means(layer), expected, **close)
        if layer.name == index.feature_layer.name:
            np.testing.assert_allclose(index.features, means, **close)

    def _dead(self, index, layer, exact):
        dead = []
        for channel in range(layer.shape[0]):
            values = {float(value) for one in self.of(layer.name, channel) for value in one.flat}
            if len(values) == 1:
                dead.append(channel)
        found = index.dead(layer).tolist()
        assert found == dead if exact else set(dead) <= set(found)

    def _predicted(self, index):
        found = {patch.image: patch.predicted for patch in (*index.top(0, 0), *index.sample(0, 0))}
        for image, predicted in found.items():
            output = self.outputs[image]
            scores = isinstance(output, torch.Tensor) and output.ndim == 2
            assert predicted == (f"class {int(output[0].argmax())}" if scores else None)

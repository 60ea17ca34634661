"""Builds that are disturbed: images left out, weights that change, two builds at once; what a build leaves as found."""

from __future__ import annotations

import pytest
import torch

from cnnwidgets import PatchIndex
from cnnwidgets.errors import ImageError, IndexMismatchError, ModelError
from tests.explain.nets import Residual, noise, seeded
from tests.explain.state import same, state_of, surroundings
from tests.patches.conftest import SIZE
from tests.patches.nets import EXACT, Fitful, dots, whole


def test_images_that_are_left_out_do_not_stop_going_on(path):
    net = seeded(Residual())
    x = [noise(3, SIZE, SIZE, seed=number) for number in range(140)]
    for number in (0, 64, 65, 66, 127, 128, 139):
        x[number] = noise(3, 30, 20, seed=number) if number else torch.full((3, SIZE, SIZE), float("inf"))
    whole_index = PatchIndex.build(net, x, k=3, progress=False)
    assert [skipped.number for skipped in whole_index.skipped] == [0, 64, 65, 66, 127, 128, 139]
    for _ in range(8):
        steps = PatchIndex.building(net, x, k=3, path=path)
        try:
            next(steps)
            next(steps)
        except StopIteration:
            break
        steps.close()
    index = PatchIndex.build(net, x, k=3, path=path, progress=False)
    assert path.read_bytes() == whole_index.path.read_bytes()
    assert index.skipped == whole_index.skipped


def test_weights_that_change_meanwhile(images, path):
    net = whole(EXACT["rigid"]())  # no copy of these weights is made
    data = [(one, label) for one, (_, label) in zip(dots(200), images, strict=True)]
    expected = PatchIndex.build(net, data, k=3, progress=False)
    kept = net.conv1.weight.detach().clone()
    steps = PatchIndex.building(net, data, k=3, path=path, chunk=1)
    next(steps)
    with torch.no_grad():
        net.conv1.weight.mul_(100)
    with pytest.raises(ModelError, match="weights were changed while"):
        list(steps)
    with pytest.raises(IndexMismatchError, match="other weights"):
        PatchIndex.build(net, data, k=3, path=path, progress=False)
    with torch.no_grad():
        net.conv1.weight.copy_(kept)
    PatchIndex.build(net, data, k=3, path=path, progress=False)
    assert path.read_bytes() == expected.path.read_bytes()


@pytest.mark.parametrize("train", [False, True])
def test_the_model_and_all_else_are_left_as_found(images, path, train):
    net = seeded(Residual()).train(train)
    before, around = state_of(net), surroundings()
    steps = PatchIndex.building(net, images, k=3, path=path)
    next(steps)
    steps.close()
    same(before, state_of(net))
    same(around, surroundings())
    PatchIndex.build(net, images, k=3, path=path, progress=False)
    broken = (image if number < 66 else 1 // 0 for number, image in enumerate(images))
    with pytest.raises(ImageError):
        PatchIndex.build(net, broken, k=3, progress=False)
    same(before, state_of(net))
    same(around, surroundings())


def test_nan_images_at_the_borders_of_chunks(path):
    net, x = whole(Fitful()), dots(140)
    x[:, 0, 0, 0] = 0
    x[63:66, 0, 0, 0] = 2
    x[127:, 0, 0, 0] = -2
    expected = PatchIndex.build(net, x, k=3, progress=False)
    steps = PatchIndex.building(net, x, k=3, path=path, chunk=1)
    next(steps)
    steps.close()
    index = PatchIndex.build(net, x, k=3, path=path, chunk=1, progress=False)
    assert path.read_bytes() == expected.path.read_bytes()
    assert [skipped.number for skipped in index.skipped] == [63, 64, 65, *range(127, 140)]


def test_two_builds_on_one_path(net, images, path, finish):
    steps = PatchIndex.building(net, images, k=3, path=path)
    next(steps)
    with pytest.raises(IndexMismatchError, match="Another process is building"):
        PatchIndex.build(net, images, k=3, path=path, progress=False)
    with pytest.raises(IndexMismatchError, match="Another process is building"):
        PatchIndex.build(net, images, k=3, path=path, restart=True, progress=False)
    for _ in steps:
        pass
    finish()

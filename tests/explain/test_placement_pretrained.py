"""Where the cells of networks with ImageNet weights lie, judged by the mirror bias of maps of other pictures."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.composites import scenes
from benchmarks.localization import Coordinates, mirror_bias
from cnnwidgets import explain
from cnnwidgets.errors import MissingDataError
from cnnwidgets.explain.measured import even_places
from tools import pretrained

# px of 224 from theory across, as a trial on other pictures and by another estimate found it, and how near it is known.
SHIFTS = {
    "EfficientNet-Lite0": (-14, 2),
    "EfficientNet-Lite1": (-13.5, 2),
    "EfficientNet-Lite2": (-6.5, 2.5),
    "MobileNetV2": (11, 2.5),
}


@cache
def network(name):
    try:
        return pretrained.classifier(name)
    except MissingDataError as error:
        pytest.skip(str(error))


@cache
def pictures():
    return scenes(40, seed=5)


@pytest.mark.parametrize("name", SHIFTS)
def test_the_shift_across_is_what_other_pictures_say(name):
    clf = network(name)
    found = explain.cam(clf, pictures()[0]).placement
    assert found.method == "mirror test"
    assert found.agreement is not None
    assert found.agreement > 0.8
    size = clf.prepare(pictures()[0]).x.shape[3]
    expected, within = SHIFTS[name]
    assert found.shift[1] * 224 / size == pytest.approx(expected, abs=within)
    assert found.shift[0] == found.shift[1]


@pytest.mark.parametrize("method", [explain.cam, explain.grad_cam])
@pytest.mark.parametrize("name", SHIFTS)
def test_maps_of_mirrored_pictures_agree_with_those_of_the_pictures(name, method):
    """The mirror bias, 0 where maps are placed rightly: below 2 px of 224, below theory's, and below a resize's."""
    clf = network(name)
    x = clf.prepare(pictures()).x
    targets = clf.scores(x)[0].argmax(1).tolist()
    one, other = method(clf, x, targets), method(clf, x.flip(3), targets)
    (height, width), (rows, columns) = one.input_size, one.grid.shape
    placings = {
        "measured": Coordinates(*one.grid.places),
        "theory": Coordinates(*one.grid.centres),
        "resize": Coordinates(even_places(rows, height), even_places(columns, width)),
    }
    biases = {
        placing: np.nanmean([mirror_bias(*maps, at, width) for maps in zip(one.values, other.values, strict=True)], 0)
        for placing, at in placings.items()
    }
    for measured, theory, resize in zip(*(np.abs(biases[placing]) for placing in placings), strict=True):
        assert measured < 2
        assert measured < theory
        # Of Lite0 a resize is off by about a pixel only, which 60 pictures do not tell from a measured place.
        assert measured < resize or name == "EfficientNet-Lite0"

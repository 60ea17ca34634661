"""What the tests of occlusion share: networks, the paper, literally, and when two maps are the same."""

from __future__ import annotations

import numpy as np

from tests.explain.nets import Gap, Residual, Vgg
from tests.reference import papers

NETS = {"gap": Gap, "vgg": Vgg, "residual": Residual}


def assert_same(values, expected, share=2e-6):
    expected = np.asarray(expected)
    assert values.shape == expected.shape
    span = np.abs(expected).max()
    assert span > 1e-4, "a map of zeros would prove nothing"
    np.testing.assert_allclose(values, expected, rtol=0, atol=share * span)


def literal(net, x, index, fill, *, shape, size, tops, lefts):
    return papers.occlusion(
        lambda image: net(image[None])[0, index].detach(),
        x,
        fill,
        tops=tops,
        lefts=lefts,
        height=size[0],
        width=size[1],
        under=lambda i, j: shape == "rectangle" or papers.in_ellipse(i, j, *size),
    )

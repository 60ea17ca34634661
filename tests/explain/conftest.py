"""The small network and the pictures that most tests of occlusion take."""

from __future__ import annotations

import pytest

from tests.explain.nets import Gap, noise, seeded


@pytest.fixture
def net():
    return seeded(Gap())


@pytest.fixture
def x():
    return noise(2, 3, 12, 12)

"""What the tests of NeuronGallery begin with."""

from __future__ import annotations

import pytest

import cnnwidgets as cw
from tests.widgets.conftest import Browser, kept
from tests.widgets.galleries import Pictures, gallery_of


@pytest.fixture
def data():
    return Pictures()


@pytest.fixture
def gallery(data):
    """A gallery that builds the index of `data` itself."""
    made = gallery_of(data)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared():
    """A gallery whose index the tests of a module share."""
    made = gallery_of()
    yield made
    made.close()


@pytest.fixture
def opened(shared):
    """A gallery of an index that is there already."""
    yield from kept(cw.NeuronGallery(shared.clf, shared.index))


@pytest.fixture
def browser(gallery):
    return Browser(gallery)

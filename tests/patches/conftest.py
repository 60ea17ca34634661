"""A build that is disturbed and gone on with: its network, its images, and the file that has to come out."""

from __future__ import annotations

import pytest

from cnnwidgets import PatchIndex
from tests.explain.nets import Residual, noise, seeded

SIZE, COUNT = 24, 200  # 64 images a pass


@pytest.fixture(scope="module")
def net():
    return seeded(Residual())


@pytest.fixture(scope="module")
def images():
    x = noise(COUNT, 3, SIZE, SIZE)
    x[70] = float("nan")
    return [(one, "abc"[number % 3]) for number, one in enumerate(x)]


@pytest.fixture(scope="module")
def whole_file(net, images, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "index.patches"
    PatchIndex.build(net, images, k=3, path=path, progress=False)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.patches"


@pytest.fixture
def options(net, images, path):
    return {"model": net, "images": images, "k": 3, "path": path}


@pytest.fixture
def finish(net, images, path, whole_file):
    """Builds or goes on, and compares the file with that of one pass; nothing else may be left behind."""

    def finish():
        PatchIndex.build(net, images, k=3, path=path, progress=False)
        assert path.read_bytes() == whole_file
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    return finish

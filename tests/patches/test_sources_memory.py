"""However many items there are: no file stays open, and neither pictures nor tensors are kept."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from cnnwidgets.patches.sources import source_of

from .planted import classifier, picture, save

OPEN = Path("/proc/self/fd")
COUNT = 400


def open_files():
    return sum(1 for _ in OPEN.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("many")
    first = save(root / "cat" / "0.png")
    whole = first.read_bytes()
    for number in range(1, COUNT):
        path = root / "cat" / f"{number}{('.png', '.tif', '.gif', '.jpg')[number % 4]}"
        if number % 7 == 0:
            path.write_bytes((b"", b"text", whole[:200], whole[:-30])[number % 4])
        elif number % 4 == 2:
            picture(number).save(
                path, save_all=True, append_images=[picture(0)]
            )  # several frames: never closed by load
        else:
            picture(number).save(path)
    return root


@pytest.mark.skipif(not OPEN.exists(), reason="the system does not list open files")
@pytest.mark.parametrize("form", ["folder", "paths", "pictures", "image folder", "generator"])
def test_no_file_stays_open(folder, form):
    opened = []
    if form == "folder":
        data = folder
    elif form == "image folder":
        data = ImageFolder(folder)
    else:
        data = sorted((folder / "cat").iterdir())
        if form == "generator":
            data = iter(data)
        if form == "pictures":
            data = opened = [Image.open(path) for path in data[:COUNT:4] if path.stat().st_size > 1000]
    gc.collect()
    before = open_files()
    most, source = 0, source_of(classifier(), data)
    for item in source.items():
        most = max(most, open_files())
        assert item.number < COUNT
    assert item.number > COUNT // 10
    assert most <= before + 1
    for image in opened:
        assert image.tile  # not read, so its pixels are not kept
        image.close()


class Made(Dataset):
    """Makes pictures, and remembers which of them are still there."""

    transform = None

    def __init__(self):
        self.made = []

    def __len__(self):
        return 50

    def __getitem__(self, number):
        image = picture(number)
        self.made.append(weakref.ref(image))
        return self.transform(image) if self.transform else image

    def alive(self):
        return sum(image() is not None for image in self.made)


@pytest.mark.parametrize("transform", [None, T.Compose([T.Resize(16), T.ToTensor()])])
@pytest.mark.parametrize(
    "form",
    [lambda data: data, lambda data: DataLoader(data, batch_size=1), iter],
    ids=["data set", "loader", "iterator"],
)
def test_neither_pictures_nor_tensors_are_kept(transform, form):
    data = Made()
    data.transform = transform
    tensors, count = [], 0
    for item in source_of(classifier(), form(data) if form is not iter else (data[n] for n in range(50))).items():
        assert item.reason is None
        tensors.append(weakref.ref(item.x))
        assert sum(x() is not None for x in tensors) <= 2
        assert data.alive() <= 2
        count += 1
    assert count == 50


def test_the_pictures_of_a_batch_are_no_longer_there_in_the_next_one():
    data = Made()
    data.transform = T.Compose([T.Resize(16), T.ToTensor()])
    loader = DataLoader(data, batch_size=10, collate_fn=torch.stack)
    for _item in source_of(classifier(), loader).items():
        assert data.alive() <= 20

"""Data sets that turn their pictures into tensors themselves: where these lie in the pictures, and the pictures."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision import transforms as T
from torchvision.datasets import ImageFolder, VisionDataset
from torchvision.transforms import v2

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.frame import Box
from cnnwidgets.patches.sources import source_of

from .planted import Numbered, classifier, picture, save

CROP = T.Compose([T.Resize(20), T.CenterCrop(16), T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)])
SEEN = Box(8.4, 2.4, 27.6, 21.6)  # of 36 x 24: 30 x 20 after resizing, then cut from (7, 2)


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/1.png", "dog/1.png", "dog/2.png"):
        save(tmp_path / name, seed=sum(map(ord, name)))
    return tmp_path


def expected(data, number):
    """Return the picture of an ImageFolder's item as it lies on the disk."""
    return Image.open(data.samples[number][0])


@pytest.mark.parametrize(
    "transform",
    [
        CROP,
        v2.Compose([v2.Resize(20), v2.CenterCrop(16), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
    ],
    ids=["v1", "v2"],
)
@pytest.mark.parametrize(
    "around", [lambda data: data, lambda data: Subset(data, [0, 1, 2]), lambda data: ConcatDataset([data])]
)
@pytest.mark.parametrize("model", [classifier(), classifier().model], ids=["classifier", "bare"])
def test_the_frame_lies_in_the_original_picture(folder, transform, around, model):
    data = ImageFolder(folder, transform)
    source = source_of(model, around(data))
    for item in source.items():
        assert torch.equal(item.x, data[item.number][0])
        assert item.label == data[item.number][1]
        assert item.picture_size == (24, 36)
        assert item.frame.box == pytest.approx(SEEN)
        assert item.frame.input_size == (16, 16)
        with expected(data, item.number) as original:
            assert np.array_equal(source.picture(item.number), original)


def test_the_users_data_set_is_left_as_it_is(folder):
    data = ImageFolder(folder, CROP, target_transform=int)
    before, pair = dict(vars(data)), dict(vars(data.transforms))
    source = source_of(classifier(), data)
    list(source.items())
    source.picture(0)
    assert vars(data) == before
    assert vars(data.transforms) == pair


class Joint(VisionDataset):
    """Like VOC: image and label go through `transforms` together."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return self.transforms(picture(number), number)


def test_image_and_label_transformed_together():
    source = source_of(classifier(), Joint("nowhere", transform=CROP, target_transform=lambda label: label + 5))
    items = list(source.items())
    assert [item.frame.box for item in items] == [pytest.approx(SEEN)] * 2
    assert source.classes == ("5", "6")
    assert np.array_equal(source.picture(1), picture(1))


class Changed(Numbered):
    """Does something to the tensor after the transform."""

    def __getitem__(self, number):
        return self.transform(self.elements[number]).flip(2)


def whole(item):
    return item.frame.box == Box(0, 0, 16, 16) and item.picture_size == (16, 16)


def test_what_is_done_after_the_transform_has_no_place_in_the_picture():
    source = source_of(classifier(), Changed([picture()], transform=CROP))
    (item,) = source.items()
    assert whole(item)
    assert source.picture(0).size == (16, 16)


def test_a_transform_that_is_no_crop_shows_what_the_network_sees():
    class Turned(Changed):
        def __getitem__(self, number):
            return self.transform(self.elements[number])

    turned = T.Compose([CROP, lambda x: x.rot90(1, (1, 2))])
    source = source_of(classifier(), Turned([picture()], transform=turned))
    (item,) = source.items()
    assert whole(item)
    assert source.picture(0).size == (16, 16)


def test_a_transform_that_draws_is_refused():
    class Drawn(Numbered):
        def __getitem__(self, number):
            return self.transform(self.elements[number])

    data = Drawn([picture()], transform=T.Compose([T.RandomResizedCrop(16), T.ToTensor()]))
    with pytest.raises(OptionError, match="random augmentations"):
        next(source_of(classifier(), data).items())


def test_a_transform_into_pictures_is_followed_by_the_classifier():
    class Resized(Numbered):
        def __getitem__(self, number):
            return self.transform(self.elements[number]), 0

    data = Resized([picture()], transform=T.Compose([T.Resize(16), T.CenterCrop(16)]))
    source = source_of(classifier(), data)
    (item,) = source.items()
    assert item.x.equal(classifier().prepare(data[0][0]).x[0])
    assert item.picture_size == (16, 16)
    assert source.picture(0).size == (16, 16)


def test_a_picture_on_its_side_is_shown_as_the_data_set_sees_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "cat").mkdir()
    picture().save(tmp_path / "cat" / "1.png", exif=exif)
    source = source_of(classifier(), ImageFolder(tmp_path, CROP))
    (item,) = source.items()
    assert item.picture_size == (24, 36)
    assert np.array_equal(source.picture(0), picture())


def test_transforms_of_arrays_and_with_names_are_left_alone():
    class Named(Dataset):
        transform = staticmethod(lambda image: {"image": torch.from_numpy(image).permute(2, 0, 1) / 255})

        def __len__(self):
            return 1

        def __getitem__(self, number):
            return self.transform(image=np.array(picture()))["image"], 1

    (item,) = source_of(classifier(), Named()).items()
    assert item.frame.box == Box(0, 0, 36, 24)


def test_a_transform_that_keeps_state_of_its_own_is_asked_for_it():
    class Asking(Numbered):
        def __getitem__(self, number):
            return self.transform(self.elements[number]), self.transform.label

    class Labelled:
        label = 3

        def __call__(self, image):
            return CROP(image)

    (item,) = source_of(classifier(), Asking([picture()] * 1, transform=Labelled())).items()
    assert item.frame.box == pytest.approx(SEEN, abs=0.3)


def test_threads_do_not_take_each_others_pictures(tmp_path):
    for number in range(8):
        save(tmp_path / "cat" / f"{number}.png", number, height=20 + number, width=40)
    source = source_of(classifier(), ImageFolder(tmp_path, CROP))
    wrong = []

    def look(number):
        for _ in range(30):
            if source.item(number).picture_size != (20 + number, 40):
                wrong.append(number)
            if source.picture(number).height != 20 + number:
                wrong.append(number)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

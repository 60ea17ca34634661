"""Map-style data sets, lists and tensors: order, names, classes, and pictures by number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.datasets import FakeData, ImageFolder

from cnnwidgets.errors import MissingDataError
from cnnwidgets.patches.sources import reopened, source_of

from .planted import Numbered, classifier, picture, save


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        save(tmp_path / name, seed=sum(map(ord, name)))
    return tmp_path


def classes_met(source):
    return [None if item.label is None else source.classes[item.label] for item in source.items()]


def test_an_image_folder_is_the_folder(folder):
    ours, theirs = source_of(classifier(), folder), source_of(classifier(), ImageFolder(folder))
    assert theirs.kind == "dataset"
    assert theirs.classes == ours.classes == ("cat", "dog")
    for mine, other in zip(ours.items(), theirs.items(), strict=True):
        assert mine.x.equal(other.x)
        assert (mine.name, mine.label, mine.frame, mine.picture_size) == (
            other.name, other.label, other.frame, other.picture_size,
        )  # fmt: skip
        assert np.array_equal(ours.picture(mine.number), theirs.picture(mine.number))


def test_subsets_keep_names_and_classes(folder):
    data = ImageFolder(folder)
    source = source_of(classifier(), Subset(Subset(data, [2, 1, 0]), [0, 2]))
    assert [item.name for item in source.items()] == ["dog/1.png", "cat/1.png"]
    assert classes_met(source) == ["dog", "cat"]
    assert source.classes == ("cat", "dog")
    assert np.array_equal(source.picture(0), data[2][0])


def test_chained_data_sets_of_the_same_classes_share_them(folder):
    data = ImageFolder(folder)
    source = source_of(classifier(), ConcatDataset([data, Subset(data, [2])]))
    assert source.classes == ("cat", "dog")
    assert classes_met(source) == ["cat", "cat", "dog", "dog"]
    assert [item.name for item in source.items()][-1] == "dog/1.png"
    assert np.array_equal(source.picture(3), data[2][0])


def test_chained_data_sets_of_other_classes_are_joined_by_name():
    first = Numbered([(picture(), 0), (picture(), 1)], classes=["cat", "dog"])
    second = Numbered([(picture(), 0), (picture(), 1)], classes=["dog", "bird"])
    third = Numbered([(picture(), 5), (picture(), None)])
    source = source_of(classifier(), ConcatDataset([first, second, third]))
    assert classes_met(source) == ["cat", "dog", "dog", "bird", "5", None]
    assert source.classes == ("cat", "dog", "bird", "5")


@pytest.mark.parametrize(
    ("attributes", "classes"),
    [
        ({"classes": ["cat", "dog"]}, ["cat", "dog"]),
        ({"classes": ("cat", "dog")}, ["cat", "dog"]),
        ({"classes": np.array(["cat", "dog"])}, ["cat", "dog"]),
        ({"classes": {1: "dog", 0: "cat"}}, ["cat", "dog"]),
        ({"classes": [("cat", "kitty"), ("dog",)]}, ["cat", "dog"]),
        ({"classes": 2}, ["0", "1"]),
        ({"classes": None}, ["0", "1"]),
        ({"classes": {"cat": 0}}, ["0", "1"]),
        ({"dataset": Numbered([], classes=["cat", "dog"])}, ["cat", "dog"]),
        ({"features": {"image": 1, "label": Numbered([], names=["cat", "dog"])}}, ["cat", "dog"]),
        ({"classes": ["cat", "dog"], "target_transform": lambda label: label}, ["cat", "dog"]),
        ({"classes": ["cat", "dog"], "target_transform": lambda label: label + 1}, ["0", "1"]),
        ({"classes": ["cat", "dog"], "target_transform": lambda label: label["x"]}, ["0", "1"]),
    ],
)
def test_class_names_wherever_data_sets_keep_them(attributes, classes):
    source = source_of(classifier(), Numbered([(picture(), 0), (picture(), 1)], **attributes))
    assert classes_met(source) == classes


def test_labels_beyond_the_listed_classes_are_none():
    source = source_of(classifier(), Numbered([(picture(), 2), (picture(), -1)], classes=["cat", "dog"]))
    assert classes_met(source) == [None, None]


def test_tensors_for_a_bare_network():
    x = torch.rand(4, 3, 8, 9)
    for data in (x, list(x), tuple(x[:, None]), TensorDataset(x), Numbered(list(x)), [(each, 1) for each in x]):
        source = source_of(classifier().model, data)
        items = list(source.items())
        assert torch.stack([item.x for item in items]).equal(x)
        assert items[3].name == "item 3"
        assert items[0].picture_size == items[0].frame.input_size == (8, 9)
        assert source.picture(1).size == (9, 8)
        assert source.total == 4


def test_lists_of_several_types(tmp_path):
    path = save(tmp_path / "1.png", 1)
    with Image.open(path) as opened:
        images = [path, str(path), picture(1), np.array(picture(1)), path.read_bytes(), opened]
        source = source_of(classifier(), images)
        items = list(source.items())
        assert opened.tile  # not read: its pixels would stay in memory
    assert source.kind == "pictures"
    assert all(item.x.equal(items[0].x) for item in items)
    assert [item.name for item in items] == [str(path), str(path), "item 2", "item 3", "item 4", str(path)]
    assert all(np.array_equal(source.picture(number), picture(1)) for number in range(6))


def test_arrays_of_pictures_of_paths_and_of_digits(tmp_path):
    path = save(tmp_path / "1.png", 1)
    pictures = np.stack([np.array(picture(1))] * 2)
    assert [item.picture_size for item in source_of(classifier(), pictures).items()] == [(24, 36)] * 2
    assert source_of(classifier(), np.array([str(path)])).kind == "paths"
    grey = source_of(classifier(), np.zeros((5, 8, 8), np.uint8))
    assert [item.picture_size for item in grey.items()] == [(8, 8)] * 5


def test_relative_paths_stay_found_after_a_change_of_folder(tmp_path, monkeypatch):
    save(tmp_path / "a.png", 1)
    monkeypatch.chdir(tmp_path)
    source = source_of(classifier(), ["a.png"])
    monkeypatch.chdir("/")
    (item,) = source.items()
    assert item.name == "a.png"
    again = reopened(source.describe(), ["a.png"].__getitem__)
    assert np.array_equal(again.picture(0), picture(1))
    assert again.kind == "paths"


@pytest.mark.parametrize("absolute", [True, False])
def test_paths_are_found_again_in_a_folder_that_was_moved(tmp_path, monkeypatch, absolute):
    paths = [save(tmp_path / "old" / "a" / "1.png", 1), save(tmp_path / "old" / "b" / "1.png", 2)]
    monkeypatch.chdir(tmp_path / "old")
    names = [str(path if absolute else path.relative_to(tmp_path / "old")) for path in paths]
    description = source_of(None, names).describe()
    moved = (tmp_path / "old").rename(tmp_path / "new")
    source = reopened(description, names.__getitem__, root=moved)
    assert np.array_equal(source.picture(0), picture(1))
    assert np.array_equal(source.picture(1), picture(2))
    (moved / "b" / "1.png").unlink()
    with pytest.raises(MissingDataError, match=r"b/1\.png' is missing"):
        source.picture(1)


def test_a_data_set_may_list_names():
    data = Numbered([picture(), picture()], names=["chelsea, 75 px", "coffee, 20 px"])
    assert [item.name for item in source_of(classifier(), data).items()] == data.names
    assert [item.name for item in source_of(classifier(), Subset(data, [1])).items()] == ["coffee, 20 px"]
    other = Numbered([picture(), picture()], names=["of something else"])
    assert source_of(classifier(), other).item(1).name == "item 1"


def test_what_only_its_maker_can_give_is_not_reopened():
    for data in ([picture()], torch.rand(1, 3, 8, 8), Numbered([picture()]), iter([picture()])):
        assert reopened(source_of(classifier(), data).describe(), "item {}".format) is None


def test_a_picture_does_not_read_what_lies_before_it():
    class Counting(Dataset):
        read = []

        def __len__(self):
            return 1000

        def __getitem__(self, number):
            self.read.append(number)
            return picture(number)

    source = source_of(None, Counting())
    assert np.array_equal(source.picture(900), picture(900))
    assert Counting.read == [900]


def test_an_item_that_raises_now_is_missing():
    source = source_of(classifier(), Numbered([picture(), OSError("the disk is gone")]))
    with pytest.raises(MissingDataError, match=r"'item 1' is missing: OSError: the disk is gone"):
        source.picture(1)
    with pytest.raises(MissingDataError, match="the disk is gone"):
        source.item(1)


def test_torchvisions_fake_data():
    source = source_of(classifier(), FakeData(size=3, image_size=(3, 24, 24), num_classes=2))
    assert [item.reason for item in source.items()] == [None] * 3
    assert set(source.classes) <= {"0", "1"}


def test_an_item_by_its_number_is_that_of_the_pass(folder):
    source = source_of(classifier(), ImageFolder(folder))
    for item in source.items():
        assert source.item(item.number).x.equal(item.x)


def stamp_of(data):
    return source_of(classifier(), data).stamp()


@pytest.mark.parametrize(
    "kinds",
    [
        [torch.zeros(3, 3, 8, 8), torch.ones(3, 3, 8, 8), torch.zeros(2, 3, 8, 8), torch.zeros(3, 3, 8, 8).double()],
        [TensorDataset(torch.zeros(3, 3, 8, 8)), TensorDataset(torch.ones(3, 3, 8, 8))],
        [TensorDataset(torch.zeros(3, 3, 8, 8), torch.tensor(y)) for y in ([0, 1, 2], [0, 1, 1])],
        [[picture(1)], [picture(2)], [picture(1), picture(2)], [(picture(1), 3)], [(picture(1), "cat")]],
        [[np.zeros((8, 8), np.uint8)], [np.ones((8, 8), np.uint8)]],
        [[b"one"], [b"other"]],
        [Numbered([picture(1)] * 5), Numbered([picture(1)] * 4 + [picture(2)]), Numbered([ValueError()] * 5)],
        [Subset(Numbered([1, 2, 3]), [0, 1]), Subset(Numbered([1, 2, 3]), [0, 2])],
        [ConcatDataset([Numbered([1])] * 2), ConcatDataset([Numbered([1])] * 3)],
        [Numbered([1], transform=torch.nn.ReLU()), Numbered([1], transform=torch.nn.GELU())],
        [Numbered([1], targets=[1]), Numbered([1], targets=[2]), Numbered([2], targets=[1])],
        [Numbered([1], data=np.zeros((1, 2))), Numbered([1], data=np.ones((1, 2)))],
        [Numbered([1], dataset=Numbered([1])), Numbered([1], dataset=Numbered([2]))],
        [Numbered([1], _fingerprint="a"), Numbered([1], _fingerprint="b")],
    ],
)
def test_stamps_tell_data_sets_apart(kinds):
    stamps = [stamp_of(data) for data in kinds]
    assert len(set(stamps)) == len(kinds)
    assert stamps == [stamp_of(data) for data in kinds]


def test_a_stamp_knows_the_files_of_an_image_folder_not_its_place(folder, tmp_path_factory):
    before = stamp_of(ImageFolder(folder))
    moved = folder.rename(tmp_path_factory.mktemp("moved") / "data")
    assert stamp_of(ImageFolder(moved)) == before
    save(moved / "cat" / "1.png", height=30)
    assert stamp_of(ImageFolder(moved)) != before


def test_a_stamp_does_not_know_where_a_function_lies_in_memory():
    def named():
        return Numbered([1], transform=lambda value: value, targets=[1])

    keep = named()  # so that the second one lies elsewhere
    assert stamp_of(keep) == stamp_of(named())

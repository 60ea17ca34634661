"""An index of another model, preprocessing, data set or settings is noticed, and said."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import ImageError, IndexMismatchError, OptionError
from cnnwidgets.patches import plan
from cnnwidgets.patches.tally import Tally
from cnnwidgets.preprocess import Preprocess
from tests.explain.nets import Gap, Residual, noise, seeded


def pictures(folder, count=80):
    generator = np.random.default_rng(0)
    for number in range(count):
        inside = folder / "ab"[number % 2]
        inside.mkdir(exist_ok=True, parents=True)
        Image.fromarray(generator.integers(0, 256, (14, 12, 3), dtype=np.uint8)).save(inside / f"{number:03}.png")
    return folder


@pytest.fixture
def case(tmp_path):
    """Arguments of a build of 80 pictures in a folder."""
    clf = Classifier(seeded(Gap()), Preprocess(resize=12, crop=12))
    return {"model": clf, "images": pictures(tmp_path / "pictures"), "k": 3, "path": tmp_path / "index.patches"}


def begin(case, *, finish):
    """Begin a build, or finish it."""
    steps = PatchIndex.building(**case)
    next(steps)
    if finish:
        for _ in steps:
            pass
    steps.close()


def other_weights(case):
    net = copy.deepcopy(case["model"].model)
    with torch.no_grad():
        net.features[0].weight[0, 0, 0, 0] += 1e-6
    return {"model": Classifier(net, case["model"].preprocess)}


def other_buffers(case):
    net = copy.deepcopy(case["model"].model)
    net.features[1].running_mean[0] += 1
    return {"model": Classifier(net, case["model"].preprocess)}


def other_model(case):
    return {"model": Classifier(seeded(Residual()), case["model"].preprocess)}


def other_mean(case):
    return {"model": Classifier(case["model"].model, Preprocess(resize=12, crop=12, mean=0.1))}


def other_size(case):
    return {"model": Classifier(case["model"].model, Preprocess(resize=16, crop=16))}


def fewer(case):
    (case["images"] / "a" / "010.png").unlink()
    return {}


def more(case):
    pictures(case["images"], 81)
    return {}


def renamed(case):
    (case["images"] / "a" / "010.png").rename(case["images"] / "a" / "011.png")
    return {}


def moved_to_another_class(case):
    (case["images"] / "a" / "010.png").rename(case["images"] / "b" / "010.png")
    return {}


def overwritten(case):
    Image.new("RGB", (12, 14)).save(case["images"] / "a" / "010.png")
    return {}


CHANGES = {
    "another model": [other_weights, other_buffers, other_model],
    "another preprocessing": [other_mean, other_size],
    "another data set": [fewer, more, renamed, moved_to_another_class, overwritten],
    "another k=": [lambda _: {"k": 4}],
    "another seed=": [lambda _: {"seed": 9}],
    "another per_image=": [lambda _: {"per_image": 2}],
    "other layers": [lambda _: {"layers": ["features.0"]}],
}


@pytest.mark.parametrize("finish", [False, True], ids=["begun", "finished"])
@pytest.mark.parametrize(("words", "change"), [(words, one) for words, some in CHANGES.items() for one in some])
def test_what_changed_is_named(case, words, change, finish):
    begin(case, finish=finish)
    known = case["path"].read_bytes() if finish else None
    other = case | change(case)
    with pytest.raises(IndexMismatchError, match=words) as caught:
        PatchIndex.build(**other, progress=False)
    assert "restart=True" in str(caught.value)
    assert case["path"].name in str(caught.value)
    assert (case["path"].read_bytes() if case["path"].exists() else None) == known
    index = PatchIndex.build(**other, restart=True, progress=False)
    again = PatchIndex.build(**other | {"path": None}, progress=False)
    assert index.path.read_bytes() == again.path.read_bytes()
    assert [file.name for file in case["path"].parent.glob("index*")] == [case["path"].name]


@pytest.mark.parametrize("finish", [False, True], ids=["begun", "finished"])
def test_what_does_not_matter_is_no_change(case, finish):
    begin(case, finish=finish)
    net = copy.deepcopy(case["model"].model).train()
    moved = case["images"].rename(case["images"].with_name("elsewhere"))
    other = case | {"model": Classifier(net, Preprocess(resize=12, crop=12), list("abcde")), "images": moved}
    index = PatchIndex.build(**other, chunk=1, progress=False)
    assert len(index) == 80
    assert index.picture(79).size == (12, 14)
    assert net.training


def test_nothing_is_read_again_of_a_finished_index(case, monkeypatch):
    begin(case, finish=True)
    written = case["path"].stat().st_mtime_ns
    calls = []
    monkeypatch.setattr("cnnwidgets.patches.survey.Survey.look", lambda *_: calls.append(1))
    PatchIndex.build(**case, progress=False)
    assert not calls
    assert case["path"].stat().st_mtime_ns == written


def test_tensors_of_another_kind(tmp_path):
    net, x = seeded(Gap()), noise(70, 3, 12, 12)
    path = tmp_path / "index.patches"
    begin({"model": net, "images": x, "path": path}, finish=False)
    for other in (noise(70, 3, 12, 12, seed=5), noise(70, 3, 14, 12), x[:60], list(x)):
        with pytest.raises(IndexMismatchError, match="another data set"):
            PatchIndex.build(net, other, path=path, progress=False)
    PatchIndex.build(net, x, path=path, progress=False)
    for other in (noise(70, 3, 12, 12, seed=5), noise(70, 3, 14, 12), x[:60], list(x)):
        with pytest.raises(IndexMismatchError, match="another data set"):
            PatchIndex.build(net, other, path=path, progress=False)


def test_check_and_matches(case):
    begin(case, finish=True)
    index = PatchIndex.open(case["path"])
    index.check(case["model"])
    index.check(case["model"], case["images"])
    assert index.matches(case["model"])
    for change, words in ((other_weights, "another model"), (other_mean, "another preprocessing")):
        other = change(case)["model"]
        assert not index.matches(other)
        with pytest.raises(IndexMismatchError, match=words):
            index.check(other)
    fewer(case)
    index.check(case["model"])
    with pytest.raises(IndexMismatchError, match="another data set"):
        index.check(case["model"], case["images"])


def test_a_file_that_is_no_index_is_not_written_over(case):
    case["path"].write_text("a thesis")
    with pytest.raises(ValueError, match="no patch index"):
        PatchIndex.build(**case, progress=False)
    assert case["path"].read_text() == "a thesis"
    assert len(PatchIndex.build(**case, restart=True, progress=False)) == 80


def test_a_folder_for_a_file_is_refused(case, tmp_path):
    with pytest.raises(OptionError, match="is a folder"):
        PatchIndex.build(**case | {"path": tmp_path}, progress=False)


def test_a_path_in_a_folder_that_is_not_there_yet(case, tmp_path):
    index = PatchIndex.build(**case | {"path": str(tmp_path / "new" / "deep" / "index")}, progress=False)
    assert index.path == tmp_path / "new" / "deep" / "index"


def test_images_that_cannot_be_read_leave_nothing(case, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.png").write_bytes(b"no")
    for images, words in ((bad, "None of the 1 images"), ([torch.full((3, 12, 12), float("nan"))], "None of the 1")):
        with pytest.raises(ImageError, match=words):
            PatchIndex.build(**case | {"images": images}, progress=False)
    assert not case["path"].exists()
    assert len(PatchIndex.build(**case, progress=False)) == 80  # what was tried is not in the way


HOLDER = """
import sys
from pathlib import Path
from cnnwidgets.patches.partial import Partial
partial = Partial(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


def test_another_process_on_the_same_path(case):
    folder = case["path"].with_name(case["path"].name + ".partial")
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout.readline() == "held\n"
        for restart in (False, True):
            with pytest.raises(IndexMismatchError, match="Another process is building"):
                PatchIndex.build(**case, restart=restart, progress=False)
        process.kill()
    assert len(PatchIndex.build(**case, progress=False)) == 80


def test_work_of_another_version_is_not_gone_on_with(case, monkeypatch):
    """It may lack what this version keeps."""
    arrays = Tally.arrays
    with monkeypatch.context() as other:
        other.setattr(plan, "FORMAT", 1)
        other.setattr(Tally, "arrays", lambda tally: {"top_values": arrays(tally)["top_values"]})
        begin(case, finish=False)
    with pytest.raises(IndexMismatchError, match=r"another version of cnnwidgets.*restart=True"):
        PatchIndex.build(**case, progress=False)
    assert len(PatchIndex.build(**case, progress=False, restart=True)) == 80

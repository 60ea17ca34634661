"""The same file comes out for any chunk, after any interruption, and with any number of threads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnwidgets import PatchIndex, explain
from cnnwidgets.errors import Cancelled, ImageError
from cnnwidgets.patches.partial import Partial
from tests.patches.conftest import COUNT, SIZE


@pytest.mark.parametrize("chunk", [1, 64, 65, 150, 10**6])
def test_any_chunk(net, images, path, whole_file, chunk):
    PatchIndex.build(net, images, k=3, path=path, chunk=chunk, progress=False)
    assert path.read_bytes() == whole_file


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(finish, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        finish()
        assert torch.get_num_threads() == threads
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert seen == [threads]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("chunk", [1, 10**6])
@pytest.mark.parametrize("steps", range(1, 6))
def test_closed_after_any_step(options, finish, steps, chunk):
    generator = PatchIndex.building(**options, chunk=chunk)
    for _ in range(steps):
        step = next(generator)
    generator.close()
    again = PatchIndex.building(**options)
    assert next(again).done >= step.done  # closing keeps all that was read
    again.close()
    finish()


def test_cancelled_again_and_again(net, images, path, finish):
    done = []
    for _ in range(6):
        token = explain.CancelToken()

        def stop(step, token=token):
            done.append(step.done)
            token.cancel()

        try:
            PatchIndex.build(net, images, k=3, path=path, progress=stop, cancel=token)
        except Cancelled:
            assert not path.exists()
        else:
            break
    assert done == sorted(done)
    assert path.exists()
    finish()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit, ZeroDivisionError])
@pytest.mark.parametrize("at", [0, 63, 64, 100, 150, COUNT - 1])
def test_what_the_data_raises_passes_and_loses_nothing_that_was_saved(net, images, path, error, at):
    class Broken:
        def __init__(self, images):
            self.images, self.whole = images, False

        def __iter__(self):
            for number, image in enumerate(self.images):
                if number == at and not self.whole:
                    raise error
                yield image

    data = Broken(images)
    with pytest.raises(ImageError if error is ZeroDivisionError else error):
        PatchIndex.build(net, data, k=3, path=path, chunk=1, progress=False)
    data.whole = True
    index = PatchIndex.build(net, data, k=3, path=path, progress=False)
    other = PatchIndex.build(net, images, k=3, progress=False)
    assert index.skipped == other.skipped
    for layer in index.layers:
        for kind in ("top", "bottom", "sample"):
            for mine, theirs in zip(index.entries(layer, kind), other.entries(layer, kind), strict=True):
                np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(index.means(layer), other.means(layer))
    np.testing.assert_array_equal(index.features, other.features)
    assert index.labels.tolist() == other.labels.tolist()


@pytest.mark.parametrize("at", range(1, 5))
def test_interrupted_in_the_middle_of_adding_up(options, finish, monkeypatch, at):
    from cnnwidgets.patches.tally import Tally

    calls = 0
    draw = Tally._draw

    def interrupted(self, *args):
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        draw(self, *args)

    monkeypatch.setattr(Tally, "_draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        PatchIndex.build(**options, chunk=1, progress=False)
    monkeypatch.undo()
    finish()


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from cnnwidgets import PatchIndex
from tests.explain.nets import Residual, noise, seeded
x = noise({count}, 3, {size}, {size})
x[70] = float("nan")
images = [(one, "abc"[number % 3]) for number, one in enumerate(x)]
net = seeded(Residual())
print("ready", flush=True)
for step in PatchIndex.building(net, images, k=3, path=sys.argv[2], chunk=int(sys.argv[3])):
    print(step.done, flush=True)
    sys.stdin.readline()
"""


def killed(path, chunk, steps):
    """Run a build in a process that is killed after some steps, in the midst of the work; return where it stood."""
    root = str(Path(__file__).parents[2])
    code = CHILD.format(count=COUNT, size=SIZE)
    process = subprocess.Popen(
        [sys.executable, "-c", code, root, str(path), str(chunk)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    done = []
    with process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(steps):
            line = process.stdout.readline()
            if not line:
                break
            done.append(int(line))
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
    return done


def test_killed_again_and_again(path, finish):
    assert killed(path, 10**6, 3)  # before any save
    assert not path.exists()
    done = 0
    for steps in (2, 3):
        stood = killed(path, 1, steps)
        assert stood[0] >= done
        done = stood[-2]  # what came before the last step had been saved
    finish()


@pytest.mark.parametrize("count", [5, 100, 5000])
def test_rubbish_behind_the_last_save_does_no_harm(net, images, path, finish, count):
    generator = PatchIndex.building(net, images, k=3, path=path, chunk=1)
    for _ in range(4):
        next(generator)
    generator.close()
    for file in path.with_name(path.name + ".partial").iterdir():
        if file.name in ("images", "names", "features", "skipped"):
            with file.open("ab") as end:
                end.write(b"x" * count)
    finish()


def test_rubbish_without_a_save_does_no_harm(images, path, finish):
    folder = path.with_name(path.name + ".partial")
    Partial(folder).close()  # a process that was killed before its first save
    for name in ("images", "names", "features", "skipped"):
        (folder / name).write_bytes(b"x" * 333)
    finish()


def test_killed_between_the_file_and_the_end_of_the_folder(net, images, path, finish, monkeypatch):
    monkeypatch.setattr(Partial, "remove", Partial.close)
    PatchIndex.build(net, images, k=3, path=path, progress=False)
    monkeypatch.undo()
    assert path.with_name(path.name + ".partial").exists()
    finish()

"""Python ends with 0 whatever is under way, and a thread that cannot be started is tried again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import cnnwidgets as cw
from cnnwidgets import jobs
from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane, Worker
from tests.widgets.conftest import make_classifier, make_picture

BEGIN = """
    import sys, time
    import numpy as np, torch
    import cnnwidgets as cw
    from torch import nn
    torch.set_num_threads(1)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 3)
    ).eval()
    clf, pic = cw.Classifier(net, cw.Preprocess(resize=(96, 96))), np.zeros((60, 60, 3), np.uint8)
"""
SMOOTHGRAD = "view = cw.HeatmapView(clf, pic, method='smoothgrad', samples=100000)"
SWEEP = "canvas = cw.OcclusionCanvas(clf, pic, window=4, stride=1); canvas.sweep()"
BUILD = "gallery = cw.NeuronGallery(clf, [pic] * 3000, k=3)"
SKETCH = """
    pad = cw.SketchPad(clf, pic)
    def more(change):
        pad.strokes = [*pad.strokes[-20:], [(1, 1), (len(pad.strokes), 50)]]
    pad.observe(more, 'image')
    pad.strokes = [[(1, 1), (30, 30)]]
"""
SCRIPTS = {
    "smoothgrad and a sweep": (f"{SMOOTHGRAD}; {SWEEP}", "", 0),
    "build": (BUILD, "sys.exit(0)", 0),
    "sketch": (SKETCH, "raise ValueError('of the script')", 1),
}


def test_python_ends_with_its_own_code_whatever_is_under_way():
    """Scripts that end in the middle of background work have their own exit code; they run side by side."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = {}
    for name, (work, end, code) in SCRIPTS.items():
        lines = [textwrap.dedent(part) for part in (BEGIN, work, "time.sleep(1.5)", end)]
        script = "\n".join(lines)
        process = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        running[name] = process, code
    for name, (process, code) in running.items():
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, (name, out, err.decode()[-2000:])
        if code == 0:
            assert not re.search(rb"Abort|terminate|Fatal Python error|Traceback", err), (name, err.decode()[-2000:])


def test_a_callback_that_waits_for_ever_does_not_hold_python_back():
    """It may wait for the main thread, which waits for it."""
    work = """
    import queue
    import cnnwidgets.jobs as jobs
    jobs._PATIENCE = 0.5
    canvas = cw.OcclusionCanvas(clf, pic)
    begun = queue.Queue()
    canvas.on_score(lambda score: (begun.put(1), queue.Queue().get()))
    canvas.boxes = [[1, 1, 9, 9]]
    begun.get(timeout=60)
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = "\n".join(textwrap.dedent(part) for part in (BEGIN, work))
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def compute(seconds):
    """Take time as a pass does: in code of PyTorch."""
    exec("sleep(seconds)", {"__name__": "torch.nn", "sleep": time.sleep, "seconds": seconds})


def in_turn():
    for _ in range(6):
        compute(0.2)
        time.sleep(0.2)  # code of ours between two passes


def beside_a_pass():
    passes = threading.Thread(target=compute, args=(1.5,), name="cnnwidgets-passes-0")
    passes.start()
    passes.join()


@pytest.mark.parametrize("work", [in_turn, beside_a_pass], ids=["between two passes", "waiting for passes"])
def test_a_thread_that_computes_is_waited_for_whatever_it_does_at_the_moment(monkeypatch, capsys, work):
    monkeypatch.setattr(jobs, "_PATIENCE", 0.5)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    jobs._join(thread)
    assert not thread.is_alive()
    assert "once the forward pass" in capsys.readouterr().err


@pytest.fixture
def no_threads(monkeypatch):
    """No thread can be started, until the function is called."""
    start = threading.Thread.start

    def fail(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    return lambda: monkeypatch.setattr(threading.Thread, "start", start)


def test_a_thread_that_cannot_be_started_is_tried_again(no_threads):
    worker = Worker()
    lanes, answers = (Lane(worker), Lane(worker)), []
    for number, lane in enumerate(lanes):
        lane.submit(Job(lambda _job: None, lambda _job, error, number=number: answers.append((number, error))))
        assert lane.wait(5)
    assert [number for number, _ in answers] == [0, 1]
    assert all("No thread could be started" in str(error) for _, error in answers)
    no_threads()
    done = threading.Event()
    lanes[0].submit(Job(lambda _job: done.set(), lambda _job, error: answers.append((2, error))))
    assert lanes[0].wait(5)
    assert done.is_set()
    assert answers[-1] == (2, None)


def test_a_widget_says_that_no_thread_could_be_started_and_answers_the_next_question(no_threads):
    view = cw.HeatmapView(make_classifier(), make_picture())
    assert view._status["state"] == "error"
    assert "No thread could be started" in view._status["message"]
    with pytest.raises(cw.CnnWidgetsError, match="ask again"):
        view.wait(5)
    no_threads()
    view.method = "saliency"
    assert view.wait(20).method == "saliency"
    assert view._status["state"] == "idle"
    view.close()


def test_an_error_between_two_jobs_leaves_nobody_waiting():
    """Such as no memory for the next turn: whoever waits is answered, and the next job is done."""
    worker = Worker()
    lane, answers = Lane(worker), []
    take, worker._next = worker._next, lambda: (_ for _ in ()).throw(MemoryError("none left"))
    hook, threading.excepthook = threading.excepthook, lambda _args: None
    try:
        lane.submit(Job(lambda _job: None, lambda _job, error: answers.append(error)))
        assert lane.wait(5)
        while not answers:
            time.sleep(0.01)
    finally:
        threading.excepthook = hook
    assert isinstance(answers[0], MemoryError)
    worker._next = take
    lane.submit(Job(lambda _job: None, lambda _job, error: answers.append(error)))
    assert lane.wait(5)
    while len(answers) < 2:
        time.sleep(0.01)
    assert answers[1] is None


def test_the_end_of_python_cancels_what_runs_and_what_waits():
    worker = Worker()
    first, second, answers = Lane(worker), Lane(worker), {}
    begun = threading.Event()

    def work(job):
        begun.set()
        while not job.cancel.is_set():
            time.sleep(0.01)
        raise Cancelled("Cancelled.")

    first.submit(Job(work, lambda _job, error: answers.setdefault("runs", error)))
    assert begun.wait(5)
    second.submit(Job(work, lambda _job, error: answers.setdefault("waits", error)))
    thread = worker.end()
    thread.join(5)
    assert not thread.is_alive()
    assert {name: type(error) for name, error in answers.items()} == {"runs": Cancelled, "waits": Cancelled}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_no_work():
    worker = Worker()
    lane, begun, go_on = Lane(worker), threading.Event(), threading.Event()

    def work(_job):
        begun.set()
        go_on.wait(20)

    lane.submit(Job(work, lambda _job, _error: None))
    assert begun.wait(5)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if lane.wait(5) and worker._thread is None else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    assert lane.wait(5)


def test_passes_side_by_side_are_done_one_by_one_where_no_thread_can_be_started(no_threads):
    from cnnwidgets.patches.workers import Workers

    with Workers(2) as workers:
        found = [result for number in range(5) for result in workers.submit(lambda number=number: number * number)]
        found += workers.rest()
    assert found == [0, 1, 4, 9, 16]
    no_threads()
    with Workers(2) as workers:
        found = list(workers.submit(lambda: 7)) + list(workers.rest())
    assert found == [7]

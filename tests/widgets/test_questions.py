"""Questions to a HeatmapView: validated, answered once, cached; the latest wins."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from traitlets import TraitError

import cnnwidgets as cw
from tests.widgets.conftest import Net, make_picture
from tests.widgets.probe import wait_until

METHODS = ("saliency", "smoothgrad", "cam", "grad_cam")
NOTHING_CHANGED = ("method", "target", "instead_of", "layer", "opacity", "threshold", "sign", "colormap", "zoom", "pan")


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("method", "gradcam", "Did you mean 'grad_cam'"),
        ("target", "tyger cat", "Did you mean 'tiger cat'"),
        ("target", 5, "5"),
        ("instead_of", "taby", "Did you mean 'tabby'"),
        ("instead_of", -7, "-7"),
        ("layer", "secnd", "second"),
        ("opacity", 1.5, "from 0 to 1"),
        ("opacity", True, "from 0 to 1"),
        ("threshold", -0.1, "from 0 to 1"),
        ("threshold", float("nan"), "from 0 to 1"),
        ("sign", "postive", "Did you mean 'positive'"),
        ("colormap", "infrno", "Did you mean 'inferno'"),
        ("zoom", 0.5, "1 or more"),
        ("zoom", float("nan"), "finite"),
        ("zoom", float("inf"), "finite"),
        ("zoom", 10**400, "finite"),
        ("zoom", "2", "finite"),
        ("pan", [1.0], "two finite"),
        ("pan", [float("nan"), 1.0], "two finite"),
        ("pan", [True, 1.0], "two finite"),
        ("pan", 7, "two finite"),
        ("samples", 0, "samples"),
        ("noise", -1.0, "noise"),
    ],
)
def test_bad_values_are_refused_and_change_nothing(view, trait, value, words):
    before = {name: getattr(view, name) for name in NOTHING_CHANGED}
    shown = view.heatmap
    with pytest.raises((cw.CnnWidgetsError, TraitError), match=words):
        setattr(view, trait, value)
    assert {name: getattr(view, name) for name in NOTHING_CHANGED} == before
    assert view.wait(20) is shown


def test_bad_values_from_the_browser_are_answered_in_words(view, browser):
    before = view.target
    browser.ask(target=99)
    assert view.target == before
    assert view._status["state"] == "error"
    assert "99" in view._status["message"]
    browser.ask(method="cam")
    assert view.wait(20).method == "cam"
    browser.set(pan=[float("nan"), 2.0])
    assert view.pan is None
    assert "pan" in view._status["message"]
    browser.set(pan=[3, 2.0], zoom=2)
    assert (view.pan, view.zoom) == ([3.0, 2.0], 2.0)


def test_unknown_options_are_refused_with_the_nearest(clf):
    with pytest.raises(cw.CnnWidgetsError, match="Did you mean 'opacity'"):
        cw.HeatmapView(clf, make_picture(), opacty=0.3)
    with pytest.raises(cw.CnnWidgetsError, match="list"):
        cw.HeatmapView([1], make_picture())


def test_every_trait_can_be_given_at_once(clf):
    view = cw.HeatmapView(
        clf, make_picture(), method="smoothgrad", target="tabby", instead_of="lynx", samples=3, opacity=0.2, zoom=2
    )
    shown = view.wait(20)
    assert (shown.method, shown.target) == ("smoothgrad", ("tabby instead of lynx",))
    assert shown.params["samples"] == 3
    assert (view.opacity, view.zoom) == (0.2, 2.0)


def test_the_view_shows_what_explain_computes(view, clf):
    for method in METHODS:
        view.method = method
        options = {"samples": view.samples, "noise": view.noise, "seed": view.seed} if method == "smoothgrad" else {}
        wanted = getattr(cw.explain, method)(clf, make_picture(), view.target, **options)
        np.testing.assert_allclose(view.wait(20).values, wanted.values, rtol=1e-4, atol=1e-6)


def test_results_are_kept_per_method_target_and_layer(view):
    view.samples = 4
    questions = [
        {"method": method, "target": target, "instead_of": instead_of}
        for method in METHODS
        for target in (0, 1)
        for instead_of in (None, 2)
    ] + [{"layer": "first"}, {"layer": None}]
    first = []
    for question in questions:
        view.set_state(question)
        first.append(view.wait(20))
    assert Net.passes > 0
    Net.passes = 0
    for question, known in zip(questions, first, strict=True):
        view.set_state(question)
        assert view.wait(20) is known
    assert Net.passes == 0
    view.samples = 5
    view.method = "smoothgrad"
    view.wait(20)
    assert Net.passes > 0


def test_changed_weights_make_a_new_map_and_new_bars(view, clf):
    before, bars = view.heatmap, view.predictions
    with torch.no_grad():
        clf.model.linear.weight.mul_(2)
    view.method = "cam"
    view.method = "grad_cam"
    assert view.wait(20) is not before
    assert view.predictions[0].probability != bars[0].probability


def test_display_starts_no_work(view, browser):
    Net.passes = 0
    browser.set(opacity=0.1, threshold=0.4, sign="both", colormap="viridis", show_box=True, zoom=3.0, pan=[3.0, 4.0])
    assert (view.opacity, view.threshold, view.sign, view.zoom, view.pan) == (0.1, 0.4, "both", 3.0, [3.0, 4.0])
    assert Net.passes == 0
    assert not {"_maps", "_status", "_photo"} & browser.names


def test_every_ask_is_answered(view, browser):
    view.samples = 3
    for ask, method in enumerate(("saliency", "smoothgrad", "cam", "grad_cam", "cam"), start=1):
        browser.ask(method=method)
        view.wait(20)
        assert view._status["ask"] == ask
        assert view._status["state"] == "idle"
    assert browser.states()[-1] == ("idle", 5)


def test_the_latest_question_wins(view, browser):
    view.samples = 100_000
    browser.ask(method="smoothgrad")
    for target in (1, 2, 3, 4):
        browser.ask(target=target)
    browser.ask(method="cam")
    shown = view.wait(10)
    assert (shown.method, shown.target) == ("cam", ("crane",))
    assert browser.states()[-1] == ("idle", 6)


def test_cancel_and_compute_again(view, browser):
    view.samples = 100_000
    browser.ask(method="smoothgrad")
    wait_until(lambda: view._status["done"] > 0)
    browser.send(kind="cancel")
    with pytest.raises(cw.CnnWidgetsError):
        view.wait(10)
    assert view._status["state"] == "cancelled"
    view.samples = 3
    browser.send(kind="retry")
    found = view.wait(20)
    assert found.params["samples"] == 3
    assert found.unfinished == ""


def test_what_a_cancelled_smoothgrad_has_averaged_stays(view, clf):
    view.samples = 100_000
    view.method = "smoothgrad"
    wait_until(lambda: view._status["done"] > 0)
    assert view.heatmap is None
    view.cancel()
    with pytest.raises(cw.CnnWidgetsError):
        view.wait(10)
    found, status = view.heatmap, view._status
    done = found.params["done"]
    assert 0 < done < 100_000
    assert found.unfinished == f"{done:,} of 100,000 samples"
    assert (status["state"], status["method"], status["done"], status["total"]) == (
        "cancelled", "smoothgrad", done, 100_000,
    )  # fmt: skip
    assert status["message"] == f"Cancelled after {done:,} of 100,000 samples; the map shows these."
    wanted = cw.explain.smoothgrad(clf, make_picture(), view.target, samples=done)
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-3, atol=1e-5)
    packed = view._maps["smoothgrad"]
    assert packed["partial"]
    assert found.unfinished in packed["caption"]
    assert found.unfinished in view._repr_mimebundle_()[0]["text/plain"]
    view.opacity = 0.3
    assert view.heatmap is found


def test_what_was_averaged_since_the_map_was_last_shown_stays_too(view, monkeypatch):
    monkeypatch.setattr("cnnwidgets.widgets._answers._SNAPSHOT_EVERY", 1000.0)
    view.samples = 100_000
    passes = Net.passes
    view.method = "smoothgrad"
    wait_until(lambda: Net.passes > passes + 6)
    assert "smoothgrad" not in view._maps
    view.cancel()
    with pytest.raises(cw.CnnWidgetsError):
        view.wait(10)
    assert view.heatmap.params["done"] == view._status["done"] > 0
    assert view._maps["smoothgrad"]["partial"]


def test_other_work_takes_the_place_of_a_map_that_was_cancelled(view):
    for then in ({"method": "cam"}, {}, {"target": 4}):
        view.samples = 100_000
        view.set_state({"method": "smoothgrad", "target": 0})
        wait_until(lambda: view._status["done"] > 0)
        view.cancel()
        with pytest.raises(cw.CnnWidgetsError):
            view.wait(10)
        half = view.heatmap
        assert half.unfinished
        view.samples = 3
        view.set_state(then)
        assert view.wait(20) is not half
        assert view.heatmap.unfinished == ""
        assert not view._maps[view.method]["partial"]


def test_progress_and_previews_come_while_it_computes(view, browser):
    view.samples = 100_000
    browser.ask(method="smoothgrad")
    seen = threading.Event()

    def look(change):
        packed = change.new.get("smoothgrad")
        if packed and packed["partial"]:
            seen.set()

    view.observe(look, names=["_maps"])
    assert seen.wait(20)
    status = view._status
    assert (status["state"], status["method"], status["total"]) == ("busy", "smoothgrad", 100_000)
    assert 0 < status["done"] < 100_000
    assert view.heatmap is None
    view.cancel()
    with pytest.raises(cw.CnnWidgetsError):
        view.wait(10)


def test_an_error_of_the_model_is_an_answer(view, browser):
    Net.fails = True
    browser.ask(method="saliency")
    with pytest.raises(ValueError, match="third valve"):
        view.wait(20)
    status = view._status
    assert (status["state"], status["ask"]) == ("error", 1)
    assert "ValueError: the third valve is stuck" in status["message"]
    assert "outside the widget" in status["remedy"]
    Net.fails = False
    browser.send(kind="retry")
    assert view.wait(20).method == "saliency"
    assert view._status["state"] == "idle"


def test_a_method_that_does_not_fit_says_why():
    data = cw.demo.digits_data()
    view = cw.HeatmapView(cw.demo.digits(), data.images[data.test[0]], method="cam")
    view.wait(20)
    assert view._status["state"] == "error"
    assert "'classifier.2' stands between" in view._status["message"]
    assert [method["id"] for method in view._methods if method["unavailable"]] == ["cam"]
    view.method = "grad_cam"
    assert view.wait(20).method == "grad_cam"
    assert view._status["state"] == "idle"
    view.compare = True
    view.wait(20)
    assert set(view._maps) == {"saliency", "smoothgrad", "grad_cam"}


def test_strange_messages_are_answered_in_words(view, browser):
    for content in ({}, {"kind": "dance"}, {"kind": None}):
        browser.send(**content)
        assert view._status["state"] == "error"
        assert "Messages are: cancel, retry." in view._status["message"]
    browser.ask(method="saliency")
    assert view.wait(20).method == "saliency"
    assert view._status["state"] == "idle"


@pytest.mark.parametrize("method", METHODS)
def test_a_contrast_without_sign_says_so_below_the_picture(view, method):
    """The caption is what the strip below the picture shows; its beginning is what a narrow one has room for."""
    view.samples = 3
    view.method, view.instead_of = method, (view.target + 1) % 4
    view.wait(20)
    unsigned = method in ("saliency", "smoothgrad")
    caption = view._maps[method]["caption"]
    assert caption.startswith("Without sign: the two classes swapped give the same map.") == unsigned
    placed = f"; {view.heatmap.placement.words}" if view.heatmap.layer else ""
    assert caption.endswith(f"{view.heatmap.paper}{placed}")
    assert ("Without sign" in view._described()) == unsigned
    view.instead_of = None
    view.wait(20)
    assert view._maps[method]["caption"] == f"{view.heatmap.title}, {view.heatmap.paper}{placed}"
    assert "Without sign" not in view._described()

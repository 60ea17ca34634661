"""What the engine keeps of a network: plans, casts and reasons, but no mishap of the moment."""

from __future__ import annotations

import pytest
import torch

from cnnwidgets.explain.incremental import engine
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.passes import make_passes
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Gap, noise, seeded
from tests.explain.patched import assert_exact, passes_of


@pytest.fixture
def x():
    return noise(1, 3, 12, 12)


@pytest.fixture
def plans(monkeypatch):
    """Counts the plans that are made."""
    made, planned = [], engine.planned
    monkeypatch.setattr(engine, "planned", lambda *given: made.append(1) or planned(*given))
    return made


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_one_plan_serves_many_pictures(net, x, plans, dtype):
    network = Network(subject_of(net, x))
    for picture in (x, x.flip(2), x * 0):
        assert make_passes(network, picture, dtype=dtype).facts["engine"] == "incremental"
    assert len(plans) == 1


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_a_network_that_was_cast_follows_its_weights(net, x, seen):
    network, exact = Network(subject_of(net, x)), seeded(Gap()).double()
    make_passes(network, x, dtype=torch.float64)
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), exact.parameters(), strict=True):
            (mine if seen else mine.data).mul_(2)  # PyTorch's count of versions does not see the second
            theirs.mul_(2)
    passes = make_passes(network, x, dtype=torch.float64)
    assert passes.facts["engine"] == "incremental"
    assert_exact(passes, exact, x.double(), [(3, 4)], (5, 5))


class Mishap:
    """An exporter that fails for as long as `error` is set."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.calls = 0
        self._export = torch.export.export

    def __call__(self, *given, **options):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self._export(*given, **options)


@pytest.fixture
def mishap(monkeypatch, request):
    made = Mishap(request.param)
    monkeypatch.setattr(torch.export, "export", made)
    return made


@pytest.mark.parametrize("mishap", [RuntimeError("can't start new thread"), MemoryError()], indirect=True)
def test_a_mishap_of_the_moment_is_not_kept(net, x, mishap):
    assert passes_of(net, x).facts["engine"].startswith("full passes: torch.export gives up")
    mishap.error = None
    assert passes_of(net, x).facts["engine"] == "incremental"


@pytest.mark.parametrize("mishap", [RuntimeError("no such operator")], indirect=True)
def test_what_comes_again_in_the_same_words_is_the_networks(net, x, mishap):
    for _ in range(4):
        assert passes_of(net, x).facts["engine"] == "full passes: torch.export gives up: no such operator"
    assert mishap.calls == 2


@pytest.mark.parametrize("mishap", [MemoryError()], indirect=True)
def test_a_lack_of_memory_never_is(net, x, mishap):
    for _ in range(4):
        passes_of(net, x)
    assert mishap.calls == 4


@pytest.mark.parametrize("mishap", [RuntimeError("a data-dependent expression")], indirect=True)
def test_what_is_plainly_of_the_network_is_kept_at_once(net, x, mishap):
    for _ in range(3):
        assert "depends on the values" in passes_of(net, x).facts["engine"]
    assert mishap.calls == 1

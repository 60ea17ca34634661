"""Where cells lie: planted detectors, networks that must fall back on theory, and one measurement for a network."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import Cancelled
from cnnwidgets.explain import placement
from cnnwidgets.explain.geometry import Grid, Placement
from cnnwidgets.explain.layers import all_layers, default_layer, find_layer
from cnnwidgets.explain.mirror_test import MirrorTest, is_measurable, shift_window
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import seeded

SIZE = 96


class Detector(nn.Module):
    """Answers to bright spots: one kernel whose weight lies around (row, column), on padded input, with a stride."""

    def __init__(self, side, at, padding, stride, tail=()):
        super().__init__()
        self.padding, self.stride = padding, stride
        rows, columns = np.mgrid[:side, :side]
        spot = np.exp(-((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / 2)
        self.kernel = nn.Parameter(
            torch.tensor(spot / spot.sum(), dtype=torch.float32).expand(1, 3, side, side).clone()
        )
        self.tail = nn.Sequential(*tail)
        self.maps, self.fc = nn.Identity(), nn.Linear(1, 2)
        nn.init.ones_(self.fc.weight)

    def forward(self, x):
        x = F.conv2d(F.pad(x, self.padding), self.kernel, stride=self.stride)
        return self.fc(self.maps(self.tail(x.relu())).mean((2, 3)))


def spot_at(row, column):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    return torch.tensor(spot, dtype=torch.float32).expand(1, 3, SIZE, SIZE)


def grid_for(net, x=None):
    return explain.grad_cam(net, torch.zeros(1, 3, SIZE, SIZE) if x is None else x, 0).grid


# Side of the kernel, where its weight lies, padding (left, right, top, bottom), stride.
PLANTED = {
    "in the middle, padded on one side": (7, (3, 3), (6, 0, 6, 0), 4),
    "in the middle, padded unlike": (7, (3, 3), (6, 0, 0, 6), 4),
    "at the end of its kernel": (9, (7, 7), (4, 4, 4, 4), 4),
    "at the beginning of its kernel": (9, (1, 1), (8, 0, 8, 0), 8),
    "down and across unlike": (9, (7, 2), (4, 4, 8, 0), 4),
    "down alone": (9, (7, 4), (4, 4, 4, 4), 4),
    "down and across opposite, padded alike": (9, (2, 7), (4, 4, 4, 4), 4),
    "a stride of 2": (5, (3, 3), (1, 3, 1, 3), 2),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_detector_is_placed_to_half_a_pixel(name):
    side, at, padding, stride = PLANTED[name]
    grid = grid_for(Detector(side, at, padding, stride))
    rows = at[0] - padding[2] + stride * np.arange(grid.shape[0])
    columns = at[1] - padding[0] + stride * np.arange(grid.shape[1])
    np.testing.assert_allclose(grid.places[0], rows, atol=0.5)
    np.testing.assert_allclose(grid.places[1], columns, atol=0.5)
    # What a cell can see is not touched by what it answers to.
    assert grid.field(2, 3) == (
        3 * stride - padding[0],
        2 * stride - padding[2],
        3 * stride - padding[0] + side,
        2 * stride - padding[2] + side,
    )


def test_the_map_of_a_planted_detector_lies_on_the_spot():
    side, at, padding, stride = PLANTED["at the end of its kernel"]
    net = Detector(side, at, padding, stride)
    for row, column in ((47, 52), (40, 61)):
        lying = explain.grad_cam(net, spot_at(row, column), 0).upsampled()[0]
        ys, xs = np.mgrid[:SIZE, :SIZE]
        assert (ys * lying).sum() / lying.sum() == pytest.approx(row, abs=0.7)
        assert (xs * lying).sum() / lying.sum() == pytest.approx(column, abs=0.7)


def test_a_shift_says_its_figure_and_its_spread():
    heatmap = explain.grad_cam(Detector(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE), 0)
    found = heatmap.placement
    assert found.method == "mirror test"
    assert found.shift == pytest.approx((3, 3), abs=0.5)
    assert found.error is not None
    assert max(found.error) < 0.5
    assert found.agreement == pytest.approx(1, abs=0.05)
    figure = f"{found.shift[1]:.1f} ± {found.error[1]:.1f} px"
    assert found.words == f"placed by the mirror test, {figure} down and right of theory"
    other = Placement("mirror test", (0.0, -2.25), (0.1, 0.25))
    assert other.words == "placed by the mirror test, 2.2 ± 0.2 px left of theory"
    both = Placement("mirror test", (1.0, -2.0), (0.1, 0.2))
    assert both.words == "placed by the mirror test, 1.0 ± 0.1 px down and 2.0 ± 0.2 px left of theory"


@pytest.mark.parametrize("make", [torchvision.models.resnet18, torchvision.models.mobilenet_v2])
def test_an_untrained_network_falls_back_on_theory_in_words(make):
    torch.manual_seed(0)
    net, x = make(num_classes=10).eval(), torch.zeros(1, 3, 128, 128)
    network = Network(subject_of(net, x))
    found = placement.placements(network)
    assert found.reason
    for layer in all_layers(network.trace):
        at = found.of(layer)
        assert at.method == "theory"
        assert at.shift == (0, 0)
        assert at.words == f"placed by theory: {found.reason}"
    heatmap = explain.grad_cam(net, x, 0)
    for places, centres in zip(heatmap.grid.places, heatmap.grid.centres, strict=True):
        np.testing.assert_array_equal(places, centres)


def test_a_network_that_tells_left_from_right_falls_back_on_theory():
    """Detectors of left edges: the mirrored picture answers at the other side of each object."""

    class Edges(Detector):
        def __init__(self):
            super().__init__(9, (4, 4), (4, 4, 4, 4), 4)
            side = torch.ones(9)
            side[:4], side[4] = -1, 0
            self.kernel = nn.Parameter((side / 27).expand(1, 3, 9, 9).clone())

    grid = grid_for(Edges())
    assert grid.placement.method == "theory"
    assert "does not answer to mirrored pictures alike" in grid.placement.words


def test_the_digits_were_trained_without_mirroring():
    clf = cw.demo.digits()
    image = clf.prepare(torch.zeros(1, 1, 32, 32)).x
    found = explain.grad_cam(clf, image, 3).placement
    assert found.method == "theory"
    assert found.reason


def test_the_users_own_pictures_are_measured_on():
    """Pictures that are the same everywhere show no shift, where photographs do."""
    net = Detector(*PLANTED["at the end of its kernel"])
    plain = [torch.full((3, SIZE, SIZE), level) for level in (0.1, 0.2, 0.3)]
    x = torch.zeros(1, 3, SIZE, SIZE)
    assert explain.grad_cam(cw.Classifier(net, probe_images=plain), x, 0).placement.method == "theory"
    assert explain.grad_cam(cw.Classifier(net), x, 0).placement.method == "mirror test"
    asked = []

    def give():
        asked.append(1)
        return [spot_at(30 + 9 * i, 25 + 11 * i)[0] for i in range(3)]

    own = cw.Classifier(net, probe_images=give)
    assert not asked
    for _ in range(2):
        assert explain.grad_cam(own, x, 0).placement.shift == pytest.approx((3, 3), abs=0.5)
    assert asked == [1]


def test_a_network_is_measured_once_for_its_weights(monkeypatch):
    net, x = Detector(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE)
    passes = []
    add = MirrorTest.add
    monkeypatch.setattr(MirrorTest, "add", lambda self, *args: (passes.append(1), add(self, *args))[1])
    explain.grad_cam(net, x, 0)
    assert len(passes) == 4
    explain.cam(net, x, 0)
    explain.activations(net, x)["maps"].grid  # noqa: B018 - measured when it is asked for
    assert len(passes) == 4
    with torch.no_grad():
        net.kernel.copy_(net.kernel.flip(3))
    assert explain.grad_cam(net, x, 0).placement.shift == pytest.approx((3, -3), abs=0.5)
    assert len(passes) > 4


def test_two_threads_measure_once(monkeypatch):
    net, x = Detector(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE)
    measured, real = [], placement._measure
    monkeypatch.setattr(placement, "_measure", lambda *args: (measured.append(1), real(*args))[1])
    found = []
    threads = [threading.Thread(target=lambda: found.append(grid_for(net, x).placement)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured == [1]
    assert len({at.shift for at in found}) == 1


def test_measuring_keeps_nothing_alive_and_takes_no_chance():
    net, x = Detector(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    explain.grad_cam(net, x, 0)
    assert torch.equal(before, torch.get_rng_state())
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_measuring_takes_sixteen_images_at_most(monkeypatch):
    net, x = Detector(*PLANTED["down and across unlike"]), torch.zeros(1, 3, SIZE, SIZE)
    network = Network(subject_of(net, x))
    images, run = [], Network.run
    monkeypatch.setattr(Network, "run", lambda self, x, edits=None: (images.append(len(x)), run(self, x, edits))[1])
    assert network.trace
    placement.placements(network)
    assert 0 < sum(images) <= 16


def test_a_model_that_takes_one_image_at_a_time_is_measured():
    class One(Detector):
        def forward(self, x):
            x = x.view(1, 3, SIZE, SIZE)
            return super().forward(x)

    assert grid_for(One(*PLANTED["at the end of its kernel"])).placement.shift == pytest.approx((3, 3), abs=0.5)


def test_measuring_is_cancelled():
    net = Detector(*PLANTED["at the end of its kernel"])
    token = explain.CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        placement.placements(Network(subject_of(net, torch.zeros(1, 3, SIZE, SIZE))), token)


def test_a_map_too_small_to_be_measured_is_placed_by_theory():
    net = Detector(7, (3, 3), (3, 3, 3, 3), 48)
    found = grid_for(net).placement
    assert found.method == "theory"
    assert "too small" in found.words


def test_probe_pictures_that_do_not_fit_are_no_obstacle():
    net = Detector(*PLANTED["at the end of its kernel"])
    clf = cw.Classifier(net, probe_images=[torch.zeros(1, SIZE, SIZE)])
    found = explain.grad_cam(clf, torch.zeros(1, 3, SIZE, SIZE), 0).placement
    assert found.method == "theory"
    assert "probe picture" in found.words


def test_windows_are_moved_by_whole_pixels():
    x = torch.arange(7.0).expand(1, 1, 2, 7)
    assert shift_window(x, 2, 3)[0, 0, 0].tolist() == [2, 3, 4, 5, 6, 5, 4]
    assert torch.equal(shift_window(x, 0, 3), x)
    assert torch.equal(shift_window(x.mT, 2, 2), shift_window(x, 2, 3).mT)


def test_the_shift_of_a_map_is_found_against_a_loop():
    """The sums by lags agree with correlations computed cell by cell."""
    from cnnwidgets.explain import mirror_test

    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 2, 3, 2, 9)).astype(np.float32)
    most = 4
    found = mirror_test._lag_sums(one, other, most)
    assert found.shape == (3, 2, 2, 2, 2 * most + 1)
    for group, first, second, lag in np.ndindex(2, 2, 2, 2 * most + 1):
        pairs = [(i, i + lag - most) for i in range(9) if 0 <= i + lag - most < 9]
        a = np.array([one[group, :, first, i] for i, _ in pairs], np.float64)
        b = np.array([other[group, :, second, j] for _, j in pairs], np.float64)
        wanted = (a * b).sum(), (a * a).sum(), (b * b).sum()
        np.testing.assert_allclose(found[:, group, first, second, lag], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("peak", [-1.3, 0.0, 0.4, 2.9])
@pytest.mark.parametrize("shape", [lambda d: 1 - 0.05 * abs(d), lambda d: 1 - 0.01 * d**2, lambda d: np.exp(-abs(d))])
def test_the_peak_of_a_curve_is_found_between_its_samples(peak, shape):
    from cnnwidgets.explain.mirror_test import _peak

    shifts = np.array([-7, -5.5, -4, -2.5, -2, -0.5, 0.5, 2, 3, 4.5, 6, 7.5])
    found = _peak(shifts, shape(shifts - peak), 8.0)
    assert found == pytest.approx(peak, abs=0.35)


def test_a_curve_that_rises_to_its_end_has_no_peak():
    from cnnwidgets.explain.mirror_test import _peak

    assert _peak(np.arange(9.0), np.arange(9.0), 8.0) is None


def test_paths_of_different_centres_do_not_move_the_place_by_theory():
    """A wide gate of its own centre: the middle of the union of the boxes is not where the content lies."""

    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(3, 4, 21, 2, 0)
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            gate = self.gate(F.pad(x, (38, 0, 38, 0)))[:, :, :16, :16].sigmoid()
            return self.fc((self.conv(x)[:, :, :16, :16] * gate).relu().mean((2, 3)))

    network = Network(subject_of(seeded(Gated()), torch.zeros(1, 3, 32, 32)))
    grid = default_layer(network.trace).grid
    assert grid is not None
    np.testing.assert_array_equal(grid.x.places_by_theory, 2 * np.arange(16))
    assert grid.x.centres[8] < 2  # the box reaches from the gate's beginning


def test_unfollowed_and_input_grids_say_so():
    x = torch.zeros(1, 3, SIZE, SIZE)
    net = Detector(*PLANTED["at the end of its kernel"])
    assert explain.saliency(net, x, 0).placement == Placement()
    assert explain.saliency(net, x, 0).placement.words == "pixels, or windows of pixels, of the input"
    assert Grid.of_input(4, 5).placement.method == "input"


def test_only_maps_with_inner_cells_at_one_distance_are_measured():
    network = Network(subject_of(Detector(*PLANTED["a stride of 2"]), torch.zeros(1, 3, SIZE, SIZE)))
    grid = find_layer(network, "maps").grid
    assert grid is not None
    assert is_measurable(grid.x)
    assert not is_measurable(Grid.at([1, 2], [1, 2]).x)
    assert not is_measurable(Grid.at([1, 2, 4, 9, 11], [1, 2, 4, 9, 11]).x)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e25, 1e-30])
def test_maps_of_any_size_are_no_obstacle(scale):
    net = Detector(*PLANTED["at the end of its kernel"])
    with torch.no_grad():
        net.kernel.mul_(scale)
    assert grid_for(net).placement.method in {"theory", "mirror test"}


@pytest.mark.parametrize(("name", "middle"), [("resnet18d", 110), ("ghostnetv2_100", 96)])
def test_theory_goes_by_the_path_that_gradients_take(name, middle):
    """Average-pooled shortcuts, and wide gates: the gradient of the middle cell is centred at 110, and at 95 to 98."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = Network(subject_of(timm.create_model(name).eval(), torch.zeros(1, 3, 224, 224)))
    grid = default_layer(network.trace).grid
    assert grid is not None
    np.testing.assert_allclose(grid.x.places_by_theory, middle + 32 * (np.arange(7) - 3))


class Turned(Detector):
    """Its map goes through an index that nobody can follow."""

    def forward(self, x):
        x = F.conv2d(F.pad(x, self.padding), self.kernel, stride=self.stride).relu()
        n, c, h, w = x.shape
        return self.fc(self.maps((x.flatten(2) @ torch.eye(h * w)).view(n, c, h, w).relu()).mean((2, 3)))


def test_a_layer_that_cannot_be_followed_is_placed_and_kept_so_in_a_file(tmp_path):
    heatmap = explain.grad_cam(Turned(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE), 0)
    assert heatmap.grid.measured
    np.testing.assert_allclose(heatmap.grid.places[1], 3 + 4 * np.arange(heatmap.grid.shape[1]), atol=1)
    loaded = explain.Heatmap.load(heatmap.save(tmp_path / "map"))
    for one, other in zip(loaded.grid.places, heatmap.grid.places, strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.placement == heatmap.placement


def test_a_file_keeps_the_placing_and_one_of_an_earlier_version_has_theorys(tmp_path):
    import json

    heatmap = explain.grad_cam(Detector(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE), 0)
    folder = heatmap.save(tmp_path / "map")
    loaded = explain.Heatmap.load(folder)
    assert loaded.placement == heatmap.placement
    np.testing.assert_array_equal(loaded.upsampled(), heatmap.upsampled())
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["placement"]["shift"] == list(heatmap.placement.shift)
    del manifest["placement"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    old = explain.Heatmap.load(folder)
    assert old.placement.method == "theory"
    np.testing.assert_array_equal(old.grid.places[1], heatmap.grid.centres[1])


def test_weights_that_change_through_data_are_measured_again():
    net, x = Detector(*PLANTED["at the end of its kernel"]), torch.zeros(1, 3, SIZE, SIZE)
    assert explain.grad_cam(net, x, 0).placement.shift == pytest.approx((3, 3), abs=0.5)
    net.kernel.data.copy_(net.kernel.data.flip(3))
    assert explain.grad_cam(net, x, 0).placement.shift == pytest.approx((3, -3), abs=0.5)


def test_a_preprocessing_that_is_a_method_of_the_model_keeps_nothing_alive():
    class Own(Detector):
        def prepare(self, picture):
            pixels = np.array(picture.resize((SIZE, SIZE)), np.float32)
            return torch.as_tensor(pixels).permute(2, 0, 1) / 255

    net = Own(*PLANTED["at the end of its kernel"])
    clf = cw.Classifier(net, net.prepare)
    assert explain.grad_cam(clf, torch.zeros(1, 3, SIZE, SIZE), 0).placement.method == "mirror test"
    gone = weakref.ref(net)
    del net, clf
    gc.collect()
    assert gone() is None


def test_a_preprocessing_that_fails_on_photographs_is_no_obstacle():
    def refuse(picture):
        raise KeyError("no such sensor")

    clf = cw.Classifier(Detector(*PLANTED["at the end of its kernel"]), refuse)
    found = explain.grad_cam(clf, torch.zeros(1, 3, SIZE, SIZE), 0).placement
    assert found.method == "theory"
    assert "no such sensor" in found.words


def test_a_model_that_loops_over_its_batch_is_measured():
    class Loop(Detector):
        def forward(self, x):
            return torch.cat([super(Loop, self).forward(one[None]) for one in x])

    assert grid_for(Loop(*PLANTED["at the end of its kernel"])).placement.shift == pytest.approx((3, 3), abs=0.5)


def test_a_stream_gives_the_map_before_it_is_measured():
    net, x = Detector(9, (7, 7), (4, 4, 4, 4), 4), torch.zeros(1, 3, SIZE, SIZE)
    first, last = explain.snapshots(explain.grad_cam, net, x, 0)
    assert (first.is_provisional, last.is_provisional) == (True, False)
    assert (first.done, last.done) == (first.total, last.total) == (1, 1)
    np.testing.assert_array_equal(first.heatmap.values, last.heatmap.values)
    assert first.heatmap.placement.words == "placed by resize: its shift has not been measured yet"
    assert last.heatmap.placement.method == "mirror test"
    # As a plain resize would do it: an even share of the input for each cell.
    cells = first.heatmap.values.shape[1]
    np.testing.assert_allclose(first.heatmap.grid.places[0], (np.arange(cells) + 0.5) * SIZE / cells - 0.5, atol=1e-9)
    assert first.heatmap.grid.field(3, 3) == last.heatmap.grid.field(3, 3)  # what a cell can see is known by theory
    (again,) = explain.snapshots(explain.grad_cam, net, x, 1)  # measured once
    assert again.heatmap.placement == last.heatmap.placement
    (pixels,) = explain.snapshots(explain.saliency, net, x, 0)
    assert not pixels.is_provisional


def test_a_stream_that_is_stopped_while_it_measures_has_its_values():
    net, x = Detector(9, (7, 7), (4, 4, 4, 4), 4), torch.zeros(1, 3, SIZE, SIZE)
    token = explain.CancelToken()
    stream = explain.snapshots(explain.grad_cam, net, x, 0, cancel=token)
    assert np.isfinite(next(stream).heatmap.values).all()
    token.cancel()
    with pytest.raises(Cancelled):
        next(stream)

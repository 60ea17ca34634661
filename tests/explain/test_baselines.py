"""What hidden pixels are replaced by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import OptionError
from cnnwidgets.explain.baselines import blurred, filled, local_mean
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.windows import Window
from cnnwidgets.preprocess import Preprocess
from tests.explain.nets import Gap, noise, seeded
from tests.reference import papers

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)


@pytest.fixture
def network():
    return Network(subject_of(seeded(Gap()), noise(1, 3, 10, 14)))


@pytest.fixture
def colourful():
    clf = Classifier(seeded(Gap()), Preprocess(resize=16, crop=12, mean=MEAN, std=STD))
    picture = Image.effect_noise((30, 20), 80).convert("RGB")
    return Network(subject_of(clf, picture))


def test_the_image_mean(network):
    x = network.x[0]
    fill = filled(network, x, "mean")
    assert fill.shape == x.shape
    torch.testing.assert_close(fill[:, 3, 4], x.mean((1, 2)))
    assert float(fill.std((1, 2)).max()) == 0


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_the_local_mean_is_that_of_the_pixels_under_the_window(network, shape):
    x = network.x[0]
    spot = Window(5, 4, shape).at(-1, 3, 10, 14)
    hidden = [
        x[:, i, j]
        for i in range(10)
        for j in range(14)
        if 0 <= i + 1 < 5 and 0 <= j - 3 < 4 and (shape == "rectangle" or papers.in_ellipse(i + 1, j - 3, 5, 4))
    ]
    torch.testing.assert_close(local_mean(x, spot)[:, 0, 0], torch.stack(hidden).mean(0))


@pytest.mark.parametrize("sigma", [0.4, 2.0, 30.0])
def test_the_blur_is_gaussian(sigma):
    x = noise(2, 6, 9, dtype=torch.float64)
    np.testing.assert_allclose(blurred(x, sigma), papers.gaussian_blur(x, sigma), atol=1e-12)


def test_the_blur_of_one_colour_is_that_colour():
    x = torch.full((3, 20, 30), 1.5)
    torch.testing.assert_close(blurred(x, 7.0), x)


def test_the_blur_is_a_twentieth_of_the_shorter_side_unless_told(network):
    x = network.x[0]
    torch.testing.assert_close(filled(network, x, "blur"), blurred(x, 0.5))
    torch.testing.assert_close(filled(network, x, "blur", sigma=3), blurred(x, 3.0))


def test_the_noise_has_the_mean_and_spread_of_each_channel():
    x = (
        noise(3, 200, 200) * torch.tensor([1.0, 2.0, 0.1])[:, None, None]
        + torch.tensor([0.0, 5.0, -1.0])[:, None, None]
    )
    drawn = filled(Network(subject_of(seeded(Gap()), x[None])), x, "noise", seed=3)
    for ours, theirs in zip(drawn, x, strict=True):
        assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=0.02 * float(theirs.std()))
        assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.02)
    assert float(torch.corrcoef(torch.stack([drawn[0].flatten(), x[0].flatten()]))[0, 1].abs()) < 0.02


def test_the_noise_depends_on_the_seed_and_on_nothing_else(network):
    x = network.x[0]
    one = filled(network, x, "noise", seed=1)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    assert torch.equal(filled(network, x, "noise", seed=1), one)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(filled(network, x, "noise", seed=2), one)


@pytest.mark.parametrize(
    ("baseline", "rgb"),
    [("#ff8000", (255, 128, 0)), ("#FF8000", (255, 128, 0)), ((255, 128, 0), (255, 128, 0)), ("grey", (128,) * 3)],
)
def test_colours_go_through_the_preprocessing(colourful, baseline, rgb):
    fill = filled(colourful, colourful.x[0], baseline)
    expected = (torch.tensor(rgb) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(fill, expected[:, None, None].expand(3, 12, 12))


def test_colours_where_the_preprocessing_pads():
    """The border of a padded picture is black whatever the colour: the value is taken from the middle."""
    clf = Classifier(seeded(Gap()), Preprocess(crop=12))
    network = Network(subject_of(clf, Image.new("RGB", (4, 4))))
    assert float(filled(network, network.x[0], (255, 255, 255)).min()) == 1


def test_a_grey_network_sees_the_brightness_of_a_colour():
    clf = Classifier(seeded(Gap(channels=1)), Preprocess(resize=(12, 12), channels=1))
    network = Network(subject_of(clf, Image.new("RGB", (20, 20))))
    assert float(filled(network, network.x[0], "#ff0000")[0, 0, 0]) == pytest.approx(0.299, abs=0.003)


@pytest.mark.parametrize("baseline", ["grey", "#102030", (1, 2, 3)])
def test_a_bare_module_does_not_tell_what_colours_are(network, baseline):
    with pytest.raises(OptionError, match=r"bare nn\.Module.*Classifier\(model, preprocess=\.\.\.\).*baseline=0\.0"):
        filled(network, network.x[0], baseline)


def test_numbers_and_tensors_are_in_units_of_the_input(network):
    x = network.x[0]
    assert torch.equal(filled(network, x, 0.25), torch.full_like(x, 0.25))
    assert torch.equal(filled(network, x, np.float32(2)), torch.full_like(x, 2))
    for shape in ((3,), (3, 1, 1)):
        fill = filled(network, x, torch.tensor([1.0, 2.0, 3.0]).reshape(shape))
        assert fill.shape == x.shape
        assert fill[:, 5, 5].tolist() == [1, 2, 3]
    assert torch.equal(filled(network, x, x.double() + 1), (x.double() + 1).to(x))
    several = torch.stack([x, x + 1, x + 2])
    assert torch.equal(filled(network, x, several, index=2), x + 2)
    assert torch.equal(filled(network, x, several[:1], index=2), x)


def test_every_fill_has_the_dtype_of_the_image():
    x = noise(1, 3, 8, 8).to(torch.bfloat16)
    network = Network(subject_of(seeded(Gap(), dtype=torch.bfloat16), x))
    for baseline in ("mean", "blur", "noise", 0.5, torch.zeros(3)):
        assert filled(network, network.x[0], baseline).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("blurr", r"baseline='blurr' is not known\. Did you mean 'blur'"),
        ("localmean", "Did you mean 'local_mean'"),
        ("gray", "Did you mean 'grey'"),
        ("#fff", r"'#fff' is not known\. A colour has six digits"),
        ("#gg0000", "A colour has six digits"),
        ("zzz", r"'zzz' is not known\. Known are 'mean', 'local_mean', 'blur', 'noise', 'grey'"),
        ((0, 0, 256), r"\(0, 0, 256\) is no colour.*from 0 to 255"),
        ((0, -1, 0), "is no colour"),
        ((0.5, 0.5, 0.5), r"\(0\.5, 0\.5, 0\.5\) is no colour.*go as a tensor"),
        ((1, 2), "is no colour"),
        (float("nan"), "baseline=nan means nothing"),
        (float("inf"), "baseline=inf"),
        (True, "baseline=True"),
        (None, "baseline=None"),
        (torch.tensor([1, 2, 3]), r"tensor of torch\.int64; it must be of floating point"),
        (torch.tensor([1.0, float("nan"), 3.0]), "without NaN"),
        (torch.zeros(4), r"shape \(4,\), which does not fit images of shape \(3, 12, 12\).*give \(3,\)"),
        (torch.zeros(3, 12, 11), "does not fit"),
        (torch.zeros(3, 3, 12, 12), r"3 pictures for 2 image\(s\)"),
        (torch.zeros(2, 3, 12, 11), "does not fit"),
    ],
)
def test_baselines_that_mean_nothing(baseline, said):
    net, x = seeded(Gap()), noise(2, 3, 12, 12)
    for occlude in (explain.occlusion, explain.occlusion_sweep):
        with pytest.raises(OptionError, match=said):
            occlude(net, x, baseline=baseline)


def test_a_local_mean_fills_no_whole_picture(network):
    with pytest.raises(OptionError, match="another colour at every place"):
        filled(network, network.x[0], "local_mean")


@pytest.mark.parametrize("sigma", [0, -1, float("nan"), float("inf"), True, "2"])
def test_blurs_that_mean_nothing(network, sigma):
    with pytest.raises(OptionError, match=r"sigma=.*give the standard deviation of the blur in pixels"):
        filled(network, network.x[0], "blur", sigma=sigma)

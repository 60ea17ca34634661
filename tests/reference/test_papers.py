"""The references themselves, against arithmetic that can be done by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.reference import papers


def test_automatic_and_finite_differences_agree():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(3 * 9, 1)).double()
    image = torch.randn(2, 5, 5, dtype=torch.float64)

    def score(x):
        return net(x[None])[0, 0]

    exact = papers.gradient(score, image)
    by_differences = papers.gradient_by_differences(lambda x: score(x).detach(), image)
    assert exact.abs().max() > 0.01
    torch.testing.assert_close(by_differences, exact, rtol=1e-6, atol=1e-8)


def test_saliency_of_a_weighted_sum_is_its_largest_weight():
    weights = torch.tensor([[[1.0, -2.0]], [[-3.0, 0.5]]], dtype=torch.float64)
    image = torch.rand(2, 1, 2, dtype=torch.float64)
    assert papers.saliency(lambda x: (weights * x).sum(), image).tolist() == [[3.0, 2.0]]


def test_smoothgrad_of_a_square_averages_the_noise():
    image = torch.tensor([[[2.0]]], dtype=torch.float64)
    noise = [torch.full((1, 1, 1), e, dtype=torch.float64) for e in (1.0, 2.0, 6.0)]
    assert float(papers.smoothgrad(lambda x: (x * x).sum(), image, noise)) == pytest.approx(2 * (2 + 3))


def test_cam_and_grad_cam_by_hand():
    features = torch.tensor([[[1.0, 2.0]], [[10.0, 20.0]]], dtype=torch.float64)
    weights = torch.tensor([3.0, -1.0], dtype=torch.float64)
    assert papers.cam(features, weights).tolist() == [[-7.0, -14.0]]

    def head(a):
        return (weights * a.mean((1, 2))).sum()

    # The mean over Z = 2 cells makes every gradient w/2, so alpha = w/2.
    assert papers.grad_cam(lambda x: x, head, features).tolist() == [[-3.5, -7.0]]


def test_largest_box_by_hand():
    field = [
        [5.0, 0.0, 0.0, 5.0, 5.0],
        [0.0, 5.0, 0.0, 0.0, 9.0],
        [0.0, 5.0, 0.0, 0.0, 0.0],
    ]
    assert papers.largest_box(field, 0.5) == (3, 0, 5, 2)
    assert papers.largest_box(field, 0.6) == (4, 1, 5, 2)


def test_occlusion_by_hand():
    image = torch.tensor([[[1.0, 2.0, 4.0]]], dtype=torch.float64)

    def drops(tops, under=lambda i, j: True):
        places = {"tops": tops, "lefts": [0, 1], "height": 1, "width": 2, "under": under}
        return papers.occlusion(lambda x: x.sum(), image, torch.zeros_like(image), **places).tolist()

    assert drops([0]) == [[3.0, 6.0]]
    assert drops([0], under=lambda i, j: j == 0) == [[1.0, 2.0]]
    assert drops([-1, 0, 1]) == [[0.0, 0.0], [3.0, 6.0], [0.0, 0.0]]


def test_window_starts_by_hand():
    assert papers.window_starts(10, 4, 3) == [0, 3, 6]
    assert papers.window_starts(11, 4, 3) == [0, 3, 6, 7]
    assert papers.window_starts(4, 4, 2) == [0]
    assert papers.window_starts(5, 4, 4) == [0, 1]


def test_in_ellipse_by_hand():
    drawn = ["".join(".#"[papers.in_ellipse(i, j, 4, 6)] for j in range(6)) for i in range(4)]
    assert drawn == [".####.", "######", "######", ".####."]


def test_gaussian_blur_by_hand():
    image = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    near = math.exp(-0.5)
    assert papers.gaussian_blur(image, 1.0)[0, 0].tolist() == pytest.approx([1 / (1 + near), near / (1 + near)])

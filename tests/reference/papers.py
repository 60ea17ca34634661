"""Each paper's equations as loops over single numbers and images, one image at a time, in double precision.

Nothing here is fast or general, and nothing here knows cnnwidgets: it is what cnnwidgets is judged by.
"""

from __future__ import annotations

import math
from collections import deque

import torch


def gradient(score, image):
    """dS/dx of one image (C,H,W) by automatic differentiation; `score` takes (C,H,W) and gives one number."""
    leaf = image.detach().clone().requires_grad_(True)
    score(leaf).backward()
    return leaf.grad


def gradient_by_differences(score, image, step=1e-6):
    """dS/dx by central differences, a pixel at a time."""
    result = torch.zeros_like(image)
    for c in range(image.shape[0]):
        for i in range(image.shape[1]):
            for j in range(image.shape[2]):
                up, down = image.clone(), image.clone()
                up[c, i, j] += step
                down[c, i, j] -= step
                result[c, i, j] = (score(up) - score(down)) / (2 * step)
    return result


def saliency(score, image):
    """Simonyan et al. 2013, section 3.1: M_ij = max_c |w_ijc|."""
    w = gradient(score, image)
    result = torch.zeros(image.shape[1:], dtype=image.dtype)
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            result[i, j] = max(abs(float(w[c, i, j])) for c in range(image.shape[0]))
    return result


def smoothgrad_gradient(score, image, noise):
    """Smilkov et al. 2017, section 3: the mean of the gradients at x + noise_s."""
    total = torch.zeros_like(image)
    for epsilon in noise:
        total += gradient(score, image + epsilon)
    return total / len(noise)


def smoothgrad(score, image, noise):
    """The mean gradient, reduced over the colours as saliency is."""
    return smoothgrad_gradient(score, image, noise).abs().amax(0)


def cam(features, weights):
    """Zhou et al. 2016, equation 2: M(x, y) = sum_k w_k f_k(x, y)."""
    channels, height, width = features.shape
    result = torch.zeros(height, width, dtype=features.dtype)
    for i in range(height):
        for j in range(width):
            for k in range(channels):
                result[i, j] += weights[k] * features[k, i, j]
    return result


def grad_cam(front, back, image):
    """Selvaraju et al. 2017, equations 1 and 2, without the ReLU.

    The network is given cut in two: `front` takes (C,H,W) to A (K,h,w), `back` takes A to the score.
    """
    feature = front(image).detach()
    slope = gradient(back, feature)
    channels, height, width = feature.shape
    alpha = [0.0] * channels
    for k in range(channels):
        for i in range(height):
            for j in range(width):
                alpha[k] += float(slope[k, i, j]) / (height * width)
    result = torch.zeros(height, width, dtype=feature.dtype)
    for k in range(channels):
        result += alpha[k] * feature[k]
    return result


def largest_box(field, threshold):
    """Zhou et al. 2016, section 3.2: the box (left, top, right, bottom) of the largest component above a share.

    Components by flood fill over the four sides; of two of one size the first in reading order.
    """
    height, width = len(field), len(field[0])
    highest = max(max(row) for row in field)
    above = {(i, j) for i in range(height) for j in range(width) if field[i][j] > threshold * highest}
    best = set()
    while above:
        start = min(above)
        component, queue = {start}, deque([start])
        while queue:
            i, j = queue.popleft()
            for beside in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if beside in above and beside not in component:
                    component.add(beside)
                    queue.append(beside)
        above -= component
        if len(component) > len(best):
            best = component
    rows, columns = [i for i, _ in best], [j for _, j in best]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def occlusion(score, image, baseline, *, tops, lefts, height, width, under):
    """Zeiler & Fergus 2014, section 4.2, as a drop: S(x) - S(x with the window replaced), for every place.

    Args:
        score: takes (C,H,W) and gives one number.
        image: (C,H,W).
        baseline: (C,H,W), what hidden pixels are replaced by.
        tops: first row of the window, per row of places; it may lie outside the image.
        lefts: first column of the window, per column of places.
        height: of the window.
        width: of the window.
        under: tells of a pixel (i, j) of the window whether it is hidden.

    """
    result = torch.zeros(len(tops), len(lefts), dtype=image.dtype)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            occluded = image.clone()
            for i in range(height):
                for j in range(width):
                    inside = 0 <= top + i < image.shape[1] and 0 <= left + j < image.shape[2]
                    if inside and under(i, j):
                        for c in range(image.shape[0]):
                            occluded[c, top + i, left + j] = baseline[c, top + i, left + j]
            result[row, column] = float(score(image)) - float(score(occluded))
    return result


def window_starts(length, window, stride):
    """First pixels of windows that cover a row of `length` pixels; the last one ends at the border."""
    starts = [0]
    while starts[-1] + window < length:
        starts.append(min(starts[-1] + stride, length - window))
    return starts


def in_ellipse(i, j, height, width):
    """Whether the centre of pixel (i, j) lies in the ellipse inscribed in height x width pixels."""
    y, x = (i + 0.5 - height / 2) / (height / 2), (j + 0.5 - width / 2) / (width / 2)
    return y * y + x * x <= 1


def gaussian_blur(image, sigma):
    """Each pixel becomes the mean of all, weighted by exp(-d^2 / (2 sigma^2)) of their distance d."""
    channels, height, width = image.shape
    result = torch.zeros_like(image)
    for i in range(height):
        for j in range(width):
            total, weights = torch.zeros(channels, dtype=image.dtype), 0.0
            for k in range(height):
                for m in range(width):
                    weight = math.exp(-((i - k) ** 2 + (j - m) ** 2) / (2 * sigma**2))
                    total += weight * image[:, k, m]
                    weights += weight
            result[:, i, j] = total / weights
    return result

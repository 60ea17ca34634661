"""Each paper's equations as loops over single numbers and images, one image at a time, in double precision.

Nothing here is fast or general, and nothing here knows cnnwidgets: it is what cnnwidgets is judged by.
"""

from __future__ import annotations

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

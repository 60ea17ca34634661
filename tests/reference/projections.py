"""Guided backpropagation and the deconvnet, number by number, on a network that is a list of steps.

A step is ("conv", weight, bias, stride, padding), ("bn", mean, variance, weight, bias, eps), ("relu",),
("pool", window, stride), or ("add", k), which adds what step k gave. Values are nested loops over plain arrays in
double precision; nothing here knows automatic differentiation.
"""

from __future__ import annotations

import numpy as np


def forward(steps, image):
    """What every step gives, (C,h,w) each; the first entry is the image."""
    values = [np.asarray(image, dtype=np.float64)]
    for step in steps:
        values.append(_step(step, values))
    return values


def _step(step, values):
    x = values[-1]
    name, *how = step
    if name == "relu":
        return np.where(x > 0, x, 0.0)
    if name == "add":
        return x + values[how[0] + 1]
    if name == "bn":
        mean, variance, weight, bias, eps = how
        out = np.zeros_like(x)
        for c in range(len(x)):
            out[c] = (x[c] - mean[c]) / np.sqrt(variance[c] + eps) * weight[c] + bias[c]
        return out
    if name == "pool":
        return _pooled(x, *how)
    weight, bias, _stride, _padding = how
    rows, columns = _sizes(x, step)
    out = np.zeros((len(weight), rows, columns))
    for o in range(len(weight)):
        out[o] = bias[o]
    for o, i, j, c, a, b, p, q in _taps(x, step):
        out[o, i, j] += weight[o, c, a, b] * x[c, p, q]
    return out


def _sizes(x, step):
    _, weight, _, stride, padding = step
    return tuple((x.shape[d + 1] + 2 * padding - weight.shape[d + 2]) // stride + 1 for d in (0, 1))


def _taps(x, step):
    """Every product of a convolution: output channel, row, column, input channel, kernel row and column, pixel."""
    _, weight, _, stride, padding = step
    rows, columns = _sizes(x, step)
    for o in range(weight.shape[0]):
        for i in range(rows):
            for j in range(columns):
                for c in range(weight.shape[1]):
                    for a in range(weight.shape[2]):
                        for b in range(weight.shape[3]):
                            p, q = i * stride + a - padding, j * stride + b - padding
                            if 0 <= p < x.shape[1] and 0 <= q < x.shape[2]:
                                yield o, i, j, c, a, b, p, q


def _switches(x, window, stride):
    """For each cell of a max pooling: channel, row, column, and the pixel of the first largest value."""
    for c in range(x.shape[0]):
        for i in range((x.shape[1] - window) // stride + 1):
            for j in range((x.shape[2] - window) // stride + 1):
                best = None
                for p in range(i * stride, i * stride + window):
                    for q in range(j * stride, j * stride + window):
                        if best is None or x[c, p, q] > x[c][best]:
                            best = p, q
                yield c, i, j, *best


def _pooled(x, window, stride):
    out = np.zeros((len(x), *((size - window) // stride + 1 for size in x.shape[1:])))
    for c, i, j, p, q in _switches(x, window, stride):
        out[c, i, j] = x[c, p, q]
    return out


def projected(steps, image, unit, rule):
    """What reaches the pixels (C,H,W) from 1 at a unit (channel, row, column) of the last step.

    Args:
        steps: the network.
        image: (C,H,W).
        unit: of what the last step gives.
        rule: at a ReLU, "gradient" hands back where it is on; "guided" what is positive where it is on (Springenberg
            et al. 2014, section 3.4); "deconvnet" what is positive (Zeiler and Fergus 2014, section 2.1).

    """
    values = forward(steps, image)
    back = [np.zeros_like(value) for value in values]
    back[-1][unit] = 1.0
    for number in range(len(steps), 0, -1):
        _hand_back(steps[number - 1], values[number - 1], back, number, rule)
    return back[0]


def _hand_back(step, x, back, number, rule):
    name, *how = step
    signal, below = back[number], back[number - 1]
    if name == "relu":
        for place, value in np.ndenumerate(signal):
            on = x[place] > 0 or rule == "deconvnet"
            wanted = value > 0 or rule == "gradient"
            below[place] += value if on and wanted else 0.0
    elif name == "add":
        below += signal
        back[how[0] + 1] += signal
    elif name == "bn":
        _mean, variance, weight, _bias, eps = how
        for c in range(len(x)):
            below[c] += signal[c] * weight[c] / np.sqrt(variance[c] + eps)
    elif name == "pool":
        for c, i, j, p, q in _switches(x, *how):
            below[c, p, q] += signal[c, i, j]
    else:
        for o, i, j, c, a, b, p, q in _taps(x, step):  # the same filters, transposed
            below[c, p, q] += how[0][o, c, a, b] * signal[o, i, j]

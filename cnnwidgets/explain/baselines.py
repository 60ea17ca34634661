"""Baselines: what hidden pixels are replaced by."""

from __future__ import annotations

import re
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from cnnwidgets.errors import OptionError, nearest

if TYPE_CHECKING:
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.windows import Spot

NAMES = ("mean", "local_mean", "blur", "noise", "grey")
GREY = (128, 128, 128)
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_FORMS = (
    "Known are " + ", ".join(map(repr, NAMES)) + ", a colour as '#rrggbb' or (red, green, blue) in whole numbers from "
    "0 to 255, a number in units of the network's input, and a tensor (C,) or (C,H,W) in these units."
)


def checked_baseline(baseline: Any) -> str | float | Tensor:
    """Return a baseline in its plain form: a name, "#rrggbb", a number, or a tensor.

    Raises:
        OptionError: one that means nothing; near names are offered.

    """
    if isinstance(baseline, str):
        if baseline in NAMES:
            return baseline
        if _HEX.fullmatch(baseline):
            return baseline.lower()
        hint = " A colour has six digits: '#ff8000'." if baseline.startswith("#") else nearest(baseline, NAMES)
        raise OptionError(f"baseline={baseline!r} is not known.{hint} {_FORMS}")
    if isinstance(baseline, tuple | list):
        return _hex_of(baseline)
    if isinstance(baseline, Tensor):
        if not baseline.is_floating_point() or not bool(torch.isfinite(baseline).all()):
            raise OptionError(
                f"The baseline is a tensor of {baseline.dtype}; it must be of floating point and without NaN and "
                "infinity, in units of the network's input."
            )
        return baseline.detach()
    if isinstance(baseline, bool) or not isinstance(baseline, Real) or not abs(float(baseline)) < float("inf"):
        raise OptionError(f"baseline={baseline!r} means nothing. {_FORMS}")
    return float(baseline)


def _hex_of(color: Any) -> str:
    if len(color) != 3 or any(
        isinstance(n, bool) or not isinstance(n, Integral) or not 0 <= int(n) <= 255 for n in color
    ):
        raise OptionError(
            f"baseline={color!r} is no colour. Give (red, green, blue) in whole numbers from 0 to 255, such as "
            "(128, 128, 128); values in units of the network's input go as a tensor: torch.tensor([0.1, 0.2, 0.3])."
        )
    return "#{:02x}{:02x}{:02x}".format(*map(int, color))


def checked_sigma(sigma: Any) -> float | None:
    """Return a blur's standard deviation, or None.

    Raises:
        OptionError: a number that means nothing.

    """
    if sigma is None:
        return None
    if isinstance(sigma, bool) or not isinstance(sigma, Real) or not 0 < float(sigma) < float("inf"):
        raise OptionError(
            f"sigma={sigma!r}: give the standard deviation of the blur in pixels of the input, above 0, or None for a "
            "twentieth of the shorter side."
        )
    return float(sigma)


def sigma_for(sigma: float | None, height: int, width: int) -> float:
    """Return the standard deviation of the blur in pixels: as given, else a twentieth of the shorter side."""
    return min(height, width) / 20 if sigma is None else sigma


def filled(
    network: Network, x: Tensor, baseline: Any = "mean", *, sigma: float | None = None, seed: int = 0, index: int = 0
) -> Tensor:
    """Return the image with every pixel hidden, in the network's units.

    Args:
        network: the network; a colour goes through its Classifier's preprocessing.
        x: (C,H,W), the image as the network takes it.
        baseline: "mean" (each channel's mean), "blur" (Gaussian), "noise" (Gaussian, with each channel's mean and
            standard deviation), "grey", "#rrggbb", (red, green, blue) in whole numbers from 0 to 255, a number or a
            tensor (C,) or (C,H,W) or (N,C,H,W) in units of the network's input.
        sigma: standard deviation of the blur in pixels of the input; None is a twentieth of the shorter side.
        seed: of the noise. It is drawn on the CPU from a generator of its own.
        index: which image of the batch it is, for a baseline (N,C,H,W).

    Returns:
        (C,H,W), dtype and device of `x`.

    Raises:
        OptionError: a baseline that means nothing, does not fit the image, or depends on the place ("local_mean").

    """
    plain = checked_baseline(baseline)
    if isinstance(plain, Tensor):
        return _picture(plain.to(x), x, index)
    if isinstance(plain, float):
        return torch.full_like(x, plain)
    if plain == "mean":
        return mean(x).expand_as(x).contiguous()
    if plain == "blur":
        return blurred(x, sigma_for(checked_sigma(sigma), *x.shape[1:]))
    if plain == "noise":
        return noise(x, seed)
    if plain == "local_mean":
        raise OptionError(
            "baseline='local_mean' is another colour at every place, so no whole picture is filled with it. Use "
            "baselines.local_mean for one place, or baseline='mean'."
        )
    return color(network, plain).to(x)[:, None, None].expand_as(x).contiguous()


def mean(x: Tensor) -> Tensor:
    """Return each channel's mean, (C,1,1)."""
    return _exact(x).mean((1, 2), keepdim=True).to(x.dtype)


def local_mean(x: Tensor, spot: Spot) -> Tensor:
    """Return each channel's mean over the pixels under a window, (C,1,1)."""
    box = _exact(x[:, *spot.box])
    total = (box * spot.mask.to(x.device)).sum((1, 2), keepdim=True)
    return (total / int(spot.mask.sum())).to(x.dtype)


def _exact(x: Tensor) -> Tensor:
    """Return `x` in at least single precision; double precision is not known to every device."""
    return x if x.dtype == torch.float64 else x.float()


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Return (C,H,W) smoothed by a Gaussian of standard deviation `sigma` pixels.

    At the border the weights inside the picture count alone, and sum to one.
    """
    down, across = (_gaussian(size, sigma) for size in x.shape[1:])
    values = _exact(x)
    return (down.to(values) @ values @ across.to(values).T).to(x.dtype)


def _gaussian(size: int, sigma: float) -> Tensor:
    """Return the matrix (size, size) that smooths a row of pixels; its rows sum to one."""
    position = torch.arange(size, dtype=torch.float64)
    weights = torch.exp(-((position[:, None] - position[None, :]) ** 2) / (2 * sigma**2))
    return weights / weights.sum(1, keepdim=True)


def noise(x: Tensor, seed: int) -> Tensor:
    """Return Gaussian noise (C,H,W) with the mean and standard deviation of each channel of `x`."""
    generator = torch.Generator().manual_seed(seed)
    values = _exact(x)
    drawn = torch.randn(x.shape, generator=generator, dtype=torch.float32).to(values)
    spread = values.std((1, 2), keepdim=True, correction=0)
    return (values.mean((1, 2), keepdim=True) + spread * drawn).to(x.dtype)


def color(network: Network, rgb: str) -> Tensor:
    """Return what a colour becomes in the network's input, (C,).

    Args:
        network: the network of a Classifier.
        rgb: "grey" or "#rrggbb".

    Raises:
        OptionError: the network was given without its preprocessing.

    """
    prepare = network.subject.prepare
    if prepare is None:
        raise OptionError(
            f"baseline={rgb!r} is a colour, and a bare nn.Module does not tell what its input makes of colours. Wrap "
            "it with its preprocessing, cnnwidgets.Classifier(model, preprocess=...), or give a number or a tensor "
            "(C,) in units of the network's input, such as baseline=0.0."
        )
    value = GREY if rgb == "grey" else tuple(bytes.fromhex(rgb[1:]))
    height, width = network.subject.images.frames[0].picture_size
    x: Tensor = prepare(Image.new("RGB", (width, height), value)).x
    return x[0, :, x.shape[2] // 2, x.shape[3] // 2]  # beside the centre there may be padding


def _picture(values: Tensor, x: Tensor, index: int) -> Tensor:
    channels = x.shape[0]
    if values.shape in ((channels,), (channels, 1, 1)):
        return values.reshape(channels, 1, 1).expand_as(x).contiguous()
    if values.shape == x.shape:
        return values
    if values.ndim == 4 and values.shape[1:] == x.shape and (len(values) == 1 or index < len(values)):
        return values[index if len(values) > 1 else 0]
    raise OptionError(
        f"The baseline has shape {tuple(values.shape)}, which does not fit images of shape {tuple(x.shape)} "
        f"(C,H,W): give ({channels},), one value per channel, or a whole picture of the image's shape."
    )

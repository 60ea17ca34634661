"""Putting a layer's channels in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import ModelError, OptionError, nearest
from cnnwidgets.explain.regions import region_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cnnwidgets.explain.layer_activations import LayerActivations

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """The channels of a layer in order.

    Attributes:
        order: (C,) channel numbers, the first one first. What comes first of equal scores, `LayerActivations.rank`
            says.
        scores: (C,) float32, in the order of the channels, not of the ranking.
        by: what was ranked by.
        units: unit of the scores, "" for channel numbers.
        words: what was ranked by, for a reader: "maximum activation".
        preactivation: (C,) float32, by "maximum" the largest values before a function that clips, such as a ReLU6,
            which order equal ones; None by anything else.
        cap: by "maximum" what such a function gives at most; infinity without.

    """

    order: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    by: str
    units: str
    words: str
    preactivation: npt.NDArray[np.float32] | None = None
    cap: float = float("inf")

    @classmethod
    def of(
        cls, scores: npt.ArrayLike, by: str, units: str, words: str, ties: Sequence[npt.NDArray[np.float32]] = ()
    ) -> Ranking:
        """Rank scores (C,): the largest first, or, by "channel", the smallest.

        Args:
            scores: the scores.
            by: what is ranked by.
            units: unit of the scores.
            words: what is ranked by, for a reader.
            ties: what decides between equal scores, (C,) each, the larger first; the latter ones where the former ones
                are equal, too. At last the lower number.

        """
        kept = np.array(scores, dtype=np.float32)
        order = np.lexsort([*(-tie for tie in reversed(ties)), kept if by == "channel" else -kept])
        kept.flags.writeable = order.flags.writeable = False
        return cls(order, kept, by, units, words)

    def at_cap(self, channel: int) -> bool:
        """Whether a channel's score is the cap of a function that clips."""
        return bool(self.scores[channel] >= np.float32(self.cap))

    def score_words(self, channel: int) -> str:
        """Return a channel's score in words: "5.3", or at the cap of a function that clips "11.2 → 6"."""
        score = f"{self.scores[channel]:.3g}"
        if self.preactivation is None or not self.at_cap(channel):
            return score
        return f"{self.preactivation[channel]:.3g} → {score}"

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self.order)

    def __repr__(self) -> str:
        """Name the first channels."""
        first = ", ".join(f"{channel} ({self.score_words(channel)})" for channel in self.order[:5])
        return f"<Ranking of {len(self)} channels by {self.words}: {first}{', ...' if len(self) > 5 else ''}>"


@dataclass(frozen=True)
class Asked:
    """What an order needs besides the activations; arguments of `LayerActivations.rank`."""

    image: int = 0
    channel: int | None = None
    region: Any = None
    target: Any = None


def rank(one: LayerActivations, by: str, asked: Asked) -> Ranking:
    """Rank a layer's channels; see `LayerActivations.rank`."""
    if not isinstance(by, str) or by not in ORDERS:
        raise OptionError(f"by={by!r} is not known.{nearest(by, ORDERS)} Known are: {', '.join(ORDERS)}.")
    scores, units, words = ORDERS[by](one, asked)
    decide = {"maximum": ("preactivation", "mean"), "active": ("mean",)}.get(by, ())
    ties = [getattr(one.statistics, name)[asked.image] for name in decide]
    found = Ranking.of(scores, by, units, words, ties)
    return replace(found, preactivation=ties[0], cap=one.statistics.cap) if by == "maximum" else found


_Found = tuple[npt.ArrayLike, str, str]


def _by_channel(one: LayerActivations, asked: Asked) -> _Found:
    del asked
    return np.arange(one.layer.shape[0]), "", "number"


def _by_maximum(one: LayerActivations, asked: Asked) -> _Found:
    return one.statistics.maximum[asked.image], one.units, f"maximum {one.units}"


def _by_mean(one: LayerActivations, asked: Asked) -> _Found:
    return one.statistics.mean[asked.image], one.units, f"mean {one.units}"


def _by_active(one: LayerActivations, asked: Asked) -> _Found:
    return one.statistics.active[asked.image], "share of cells", "share of active cells"


def _by_contribution(one: LayerActivations, asked: Asked) -> _Found:
    found = one.contributing(asked.target)
    if one.layer.call not in found.values:
        raise ModelError(
            f"No gradient can be taken of the layer {one.name!r}, so it has no order by contribution: it holds no "
            "floating point numbers, or is an assignment that a later in-place operation writes over. Choose another "
            "one of explain.layers(model, x)."
        )
    scores = found.values[one.layer.call][asked.image]
    if not np.isfinite(scores).all():
        raise ModelError(f"The contributions of the layer {one.name!r} hold NaN or infinite values: it has no order.")
    return scores, found.units, f"contribution to {found.target[asked.image]}"


def _by_likeness(one: LayerActivations, asked: Asked) -> _Found:
    if asked.channel is None:
        raise OptionError("by='likeness' ranks by likeness to a channel: give channel=, its number.")
    channel, maps = one.checked_channel(asked.channel), one.values[asked.image]
    return likeness(maps, maps[channel]), "correlation", f"likeness to channel {channel}"


def _by_region(one: LayerActivations, asked: Asked) -> _Found:
    if asked.region is None:
        raise OptionError("by='region' ranks by likeness to a region: give region=, a mask (H,W) of the picture.")
    shares = region_shares(one.grid, one.frames[asked.image], asked.region)
    return likeness(one.values[asked.image], shares), "correlation", "likeness to the region"


def _by_difference(one: LayerActivations, asked: Asked) -> _Found:
    del asked
    if len(one) != 2:
        raise OptionError(f"by='difference' compares two images, and these are activations of {len(one)}.")
    mean = one.values.mean((2, 3), dtype=np.float64)
    return np.abs(mean[0] - mean[1]), one.units, f"difference of the mean {one.units}s"


ORDERS: dict[str, Callable[[LayerActivations, Asked], _Found]] = {
    "channel": _by_channel,
    "maximum": _by_maximum,
    "mean": _by_mean,
    "active": _by_active,
    "contribution": _by_contribution,
    "likeness": _by_likeness,
    "region": _by_region,
    "difference": _by_difference,
}


def likeness(maps: npt.NDArray[np.floating[Any]], pattern: npt.ArrayLike) -> Floats:
    """Return the Pearson correlation over the cells of each map (C,h,w) with a pattern (h,w), (C,), -1 to 1.

    A map or pattern that is the same everywhere has no correlation with anything: 0.
    """
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    wanted = np.asarray(pattern, dtype=np.float64).reshape(-1)
    varied = np.ptp(flat, axis=1) > 0
    result = np.zeros(len(flat))
    if np.ptp(wanted) == 0 or not varied.any():
        return result
    flat, wanted = _centred(flat[varied]), _centred(wanted[None])[0]
    norms = np.linalg.norm(flat, axis=1) * np.linalg.norm(wanted)
    result[varied] = np.clip(flat @ wanted / norms, -1.0, 1.0)
    return result


def _centred(rows: Floats) -> Floats:
    """Return rows without their mean, brought to magnitude 1, so that squares neither vanish nor overflow."""
    centred = rows - rows.mean(1, keepdims=True)
    return np.asarray(centred / np.abs(centred).max(1, keepdims=True))

"""Occlusion: what happens to a score when a part of the picture is hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.baselines import checked_baseline, checked_sigma, filled, sigma_for
from cnnwidgets.explain.hiding import Hiding
from cnnwidgets.explain.method import Method, MethodRun, explain
from cnnwidgets.explain.network import check_finite
from cnnwidgets.explain.passes import checked_dtype
from cnnwidgets.explain.places import Places
from cnnwidgets.explain.public import public
from cnnwidgets.explain.windows import checked_shape, whole_pair, window_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.explain.targets import Target, TargetLike
    from cnnwidgets.explain.windows import Shape


@dataclass(frozen=True, eq=False)
class Occlusion(Method):
    """Zeiler & Fergus 2014."""

    name: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"
    paper: ClassVar[str] = "Zeiler & Fergus 2014, arXiv:1311.2901, section 4.2"
    progress_unit: ClassVar[str] = "places"
    passes_apart: ClassVar[bool] = True
    has_gaps: ClassVar[bool] = True
    window: int | tuple[int, int] | None = None
    stride: int | tuple[int, int] | None = None
    baseline: Any = "mean"
    shape: Shape = "rectangle"
    keep: bool = False
    sigma: float | None = None
    seed: int = 0
    incremental: bool = True
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing on any image."""
        if self.window is not None:
            whole_pair("window", self.window)
        if self.stride is not None:
            whole_pair("stride", self.stride)
        checked_shape(self.shape)
        checked_baseline(self.baseline)
        checked_sigma(self.sigma)
        checked_dtype(self.dtype)
        for name in ("keep", "incremental"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name}={getattr(self, name)!r}: give True or False.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise OptionError(f"seed={self.seed!r}: give a whole number.")

    def places(self, height: int, width: int) -> Places:
        """Return the places on an input of this size."""
        size = max(1, round(min(height, width) / 7)) if self.window is None else self.window
        return Places.over(window_of(size, self.shape, height, width), self.stride, (height, width))

    def fill(self, network: Network, x: Tensor, index: int) -> Tensor | None:
        """Return the image (C,H,W) with everything hidden, or None for the mean of what is hidden."""
        if isinstance(self.baseline, str) and self.baseline == "local_mean":
            return None
        return filled(network, x, self.baseline, sigma=self.sigma, seed=self.seed, index=index)

    def check_fill(self, network: Network) -> None:
        """Raise `OptionError` if the baseline does not fit the images: before the first pass, not between two."""
        count = len(network.x)
        if isinstance(self.baseline, Tensor) and self.baseline.ndim == 4 and len(self.baseline) not in (1, count):
            raise OptionError(
                f"The baseline holds {len(self.baseline)} pictures for {count} image(s): give one for each."
            )
        self.fill(network, network.x[0], 0)

    def hiding(self, network: Network, x: Tensor, index: int, places: Places) -> Hiding:
        """Return what hides the places of one image (C,H,W)."""
        return Hiding.of(
            network,
            x,
            self.fill(network, x, index),
            places,
            keep=self.keep,
            incremental=self.incremental,
            dtype=self.dtype,
        )

    def steps_per_image(self, height: int, width: int) -> int:
        """Return the number of places: each is a step."""
        return len(self.places(height, width))

    def images_at_once(self, chunk: int) -> int:
        """Return 1: the chunk is filled with places."""
        del chunk
        return 1

    def default_chunk(self, height: int, width: int) -> int:
        """Leave it to the passes how many places they take at once."""
        return self.steps_per_image(height, width)

    def start(self, network: Network, target: Target) -> MethodRun:
        """Lay out the places."""
        del target
        height, width = network.x.shape[2:]
        places = self.places(height, width)
        self.check_fill(network)
        return MethodRun(self, network, grid=places.grid, facts=self.facts(places))

    def facts(self, places: Places) -> dict[str, Any]:
        """Return what the parameters became on an input: pixels, (down, across) or (least, most) where they differ."""
        window = places.window
        found: dict[str, Any] = {
            "window": _plain((window.height, window.width)),
            "stride": _plain(places.stride),
            "area": _plain(places.areas),
        }
        if isinstance(self.baseline, str) and self.baseline == "blur":
            found["sigma"] = sigma_for(self.sigma, *places.size)
        return found

    def parameters(self) -> dict[str, Any]:
        """Return the parameters; those of other baselines are left out."""
        plain = checked_baseline(self.baseline)
        if isinstance(plain, Tensor):
            plain = str(tuple(plain.tolist())) if plain.ndim == 1 else f"a picture {tuple(plain.shape)}"
        found = {
            "window": self.window,
            "stride": self.stride,
            "baseline": plain,
            "shape": self.shape,
            "keep": self.keep,
        }
        return {**found, "seed": self.seed} if plain == "noise" else found

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the finished maps (n, rows, columns)."""
        maps, scores = [], []
        for row, image in enumerate(x):
            at = slice(rows.start + row, rows.start + row + 1)
            *_, (_, part, score) = self.steps(run, image[None], target, at, self.default_chunk(*x.shape[2:]))
            maps.append(part)
            scores.append(score)
        return torch.cat(maps), torch.cat(scores)

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the maps as they are."""
        del x
        return raw

    def steps(
        self, run: MethodRun, x: Tensor, target: Target, rows: slice, chunk: int
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield the map so far after every chunk of places, coarse to fine, NaN at places that are still to come."""
        places = self.places(*x.shape[2:])
        hiding = self.hiding(run.network, x[0], rows.start, places)
        run.facts.update(hiding.passes.facts)

        def scores(output: Any, count: int) -> Tensor:
            found = target.repeated(rows.start, count).score(output, slice(0, count)).detach().cpu().double()
            check_finite(found, "The score with a part hidden")
            return found

        clean, reference = scores(hiding.clean, 1), scores(hiding.reference, 1)
        values = np.empty(len(places))
        for done, some, output in hiding.sweep(chunk):
            change = (reference - scores(output, len(some))).numpy()
            values[done - len(some) : done] = -change if self.keep else change
            yield done, torch.from_numpy(places.to_map(values[:done]))[None], clean


def _plain(pair: tuple[int, int]) -> int | tuple[int, int]:
    return pair[0] if pair[0] == pair[1] else pair


@public(Occlusion)
def occlusion(
    model: Any,
    x: Any,
    target: TargetLike = None,
    *,
    window: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    baseline: Any = "mean",
    shape: Shape = "rectangle",
    keep: bool = False,
    sigma: float | None = None,
    seed: int = 0,
    incremental: bool = True,
    dtype: torch.dtype | None = None,
    why: TargetLike = None,
    instead_of: TargetLike = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Heatmap:
    r"""How much the score falls when a window hides a part of the picture, for windows all over it.

    $$M_p = S(x) - S(x^{(p)})$$

    where $x^{(p)}$ is the picture with the window at place $p$ replaced by the baseline. Positive: hiding this place
    hurts the target. Negative: hiding it helps. The unit is that of the score. The paper moves a grey square
    (`baseline="grey"`) and draws the probability that is left, `target=Probability(index)`.

    The first window begins and the last one ends at the border of the picture; for that the last one is moved inwards,
    so all windows have one size and together cover every pixel. An ellipse is inscribed in its window and hides about
    79 % of it; elliptic windows reach up to 15 % of their size beyond the border, so that the corners are covered, too,
    and what is outside falls away. `Heatmap.grid` holds the windows with their true centres, `params` the sizes in
    pixels, the number of pixels that a window hides (`area`; (least, most) where ellipses are cut at the border), and
    how it was computed (`engine`).

    With `keep=True` it is the other way round: everything *but* the window is hidden, and the value is what the place
    alone adds to the empty picture,

    $$M_p = S(x^{(\mathrm{only}\,p)}) - S(x^{(\mathrm{none})})$$

    so positive still means that the place speaks for the target.

    As snapshots, `explain.snapshots(explain.occlusion, ...)`, the map comes coarse to fine: every 4th place in both
    directions, then every 2nd, then all. Places that are still to come are NaN in a snapshot, and it is drawn with
    these parts of the picture hatched. `done` and `total` count places.

    Args:
        model: `nn.Module` or `Classifier`. It is explained as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        target: class index, class name, one of these per image, a function of the model's output that gives (N,), or
            None for each image's top class.
        window: in pixels of the network's input, a number for a square, or (height, width). None is a seventh of the
            shorter side: 32 of 224.
        stride: distance of neighbouring windows in pixels, a number or (down, across); None is half the window.
        baseline: what hidden pixels are replaced by.

            - "mean": the image's mean colour; "local_mean": that of the pixels under the window;
            - "blur": the image, smoothed by a Gaussian; "noise": Gaussian noise with the mean and standard deviation
              of each channel of the image;
            - "grey", "#rrggbb" or (red, green, blue) in whole numbers from 0 to 255: a colour, which goes through the
              preprocessing, so it needs a Classifier;
            - a number, or a tensor (C,), (C,H,W) or (N,C,H,W): in units of the network's input.
        shape: "rectangle" or "ellipse".
        keep: show the window alone and hide the rest.
        sigma: standard deviation of the blur in pixels of the input; None is a twentieth of the shorter side.
        seed: of the noise.
        incremental: recompute only what the window can reach, where the network is understood. The result is the same
            to rounding; False runs whole passes.
        dtype: what to compute the passes in. `torch.bfloat16` is faster on processors that have it and less exact: on
            `demo.imagenet()` and three photographs, maps whose largest drops are 0.4 to 2.0 logits were off by up to
            0.10 to 0.20. None is the model's own.
        why: the same as `target`, to go with `instead_of`.
        instead_of: a class whose score is subtracted.
        chunk: places per pass, at most. It bounds the memory and does not change the result.
        progress: called with (done, total), in places.
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Returns:
        `Heatmap` with values (N, rows, columns), a cell per place.

    Raises:
        TargetError: a class that the model does not have.
        ImageError: an `x` that cannot be read.
        OptionError: a window, stride or baseline that means nothing or does not fit the input.
        ModelError: NaN among the scores.

    """
    method = Occlusion(window, stride, baseline, shape, keep, sigma, seed, incremental, dtype)
    return explain(
        method,
        model,
        x,
        target,
        why=why,
        instead_of=instead_of,
        chunk=chunk,
        progress=progress,
        cancel=cancel,
    )

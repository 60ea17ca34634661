"""SmoothGrad: the mean of a method's maps over noisy copies of the image."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cnnwidgets.errors import OptionError, refuse_unknown
from cnnwidgets.explain.foreign import Foreign
from cnnwidgets.explain.fuse import fused
from cnnwidgets.explain.gradient import Saliency, saliency
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.method import RUN_OPTIONS, Method, MethodRun, explain, gradient
from cnnwidgets.explain.public import method_of, public
from cnnwidgets.explain.stem import carry_back, find_stem
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.explain.targets import Target, TargetLike


@dataclass(frozen=True)
class SmoothGrad(Method):
    """Smilkov et al. 2017."""

    name: ClassVar[str] = "smoothgrad"
    title: ClassVar[str] = "SmoothGrad"
    paper: ClassVar[str] = "Smilkov et al. 2017, arXiv:1706.03825, section 3"
    progress_unit: ClassVar[str] = "samples"
    of: Method = field(default_factory=Saliency)
    samples: int = 50
    noise: float = 0.15
    seed: int = 0

    @classmethod
    def made(cls, where: str, options: dict[str, Any]) -> Self:
        """Take `of` as the public function that it is, and give it the options that are not SmoothGrad's own."""
        own = {item.name: options[item.name] for item in fields(cls) if item.name in options and item.name != "of"}
        rest = {name: value for name, value in options.items() if name not in own and name != "of"}
        of = options.get("of", saliency)
        if not hasattr(of, "method"):
            return cls(of=Foreign(of, tuple(sorted(rest.items()))), **own)
        inner: type[Method] = of.method
        refuse_unknown(where, rest, [*(item.name for kind in (cls, inner) for item in fields(kind)), *RUN_OPTIONS])
        return cls(of=method_of(of, rest), **own)

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 1:
            raise OptionError(f"samples={self.samples!r}: give the number of noisy copies, 1 or more.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise OptionError(f"seed={self.seed!r}: give a whole number.")
        if not isinstance(self.noise, int | float) or not 0 <= self.noise < float("inf"):
            raise OptionError(
                f"noise={self.noise!r}: give the standard deviation as a share of the input's range, 0 or more; the "
                "paper uses 0.1 to 0.2."
            )

    def steps_per_image(self, height: int, width: int) -> int:
        """A step is a sample."""
        del height, width
        return self.samples

    def images_at_once(self, chunk: int) -> int:
        """Return 1: the chunk is filled with samples. Without noise it is filled as the inner method does."""
        return 1 if self.noise else self.of.images_at_once(chunk)

    def default_chunk(self, height: int, width: int) -> int:
        """Return a few samples, or without noise what the inner method takes."""
        return super().default_chunk(height, width) if self.noise else self.of.default_chunk(height, width)

    def start(self, network: Network, target: Target) -> MethodRun:
        """Make the passes of the inner method cheap: there will be many."""
        inner = self.of.start(network, target)
        if not self.noise:
            return replace(inner, method=replace(self, of=inner.method))
        keep = {find_layer(network, inner.layer).call} if inner.layer else set()
        edits = fused(network, frozenset(keep))
        return replace(inner, method=replace(self, of=inner.method), edits=edits)

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the inner method's raw maps."""
        return self.of.raw(run, x, target, rows)

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return what the inner method makes of the mean raw maps."""
        return self.of.finish(raw, x)

    def units(self, score: str) -> str:
        """Return the inner method's unit."""
        return self.of.units(score)

    def note(self, target: Target) -> str:
        """Return what the inner method has to say."""
        return self.of.note(target)

    def parameters(self) -> dict[str, Any]:
        """Name the inner method and its parameters."""
        inner = {f"of.{key}": value for key, value in self.of.parameters().items()}
        return {"of": self.of.name, **inner, "samples": self.samples, "noise": self.noise, "seed": self.seed}

    def steps(
        self, run: MethodRun, x: Tensor, target: Target, rows: slice, chunk: int
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield the mean over the samples so far, after every chunk of them.

        Without noise all samples are one, which is computed as the inner method alone computes it, to the last bit:
        what makes passes cheaper rounds otherwise, and a ReLU at its kink lets rounding decide on a whole gradient.
        """
        if not self.noise:
            for _, values, alone in self.of.steps(run, x, target, rows, chunk):
                last = values, alone
            yield self.samples * len(x), *last
            return
        with torch.no_grad():
            score = target.score(run.network.run(x), rows).detach()
        raw, back = self._passes(run, x)
        generator = torch.Generator().manual_seed(self.seed)
        sigma = self.noise * (x.amax() - x.amin())
        total: Tensor | None = None
        for first in range(0, self.samples, chunk):
            count = min(chunk, self.samples - first)
            # One by one, so that the noise does not depend on the chunk, and on the CPU, so not on the device.
            noise = torch.stack(
                [torch.randn(x.shape[1:], generator=generator, dtype=torch.float32) for _ in range(count)]
            )
            noisy = (x + sigma * noise.to(x)).contiguous(memory_format=torch.channels_last)
            maps = raw(noisy, target.repeated(rows.start, count))
            part = maps.double().sum(0) if maps.dtype == torch.float64 else maps.float().sum(0)
            total = part if total is None else total + part
            mean = total[None] / (first + count)
            yield first + count, self.finish(back(mean.to(maps.dtype)), x), score

    def _passes(
        self, run: MethodRun, x: Tensor
    ) -> tuple[Callable[[Tensor, Target], Tensor], Callable[[Tensor], Tensor]]:
        """Return how to get the maps of noisy copies, and how to get the raw map from their mean."""
        stem = find_stem(run.network) if isinstance(self.of, Saliency) else None
        if stem is None:
            return lambda noisy, target: self.of.raw(run, noisy, target, slice(0, len(noisy)))[0], lambda mean: mean

        def behind_stem(noisy: Tensor, target: Target) -> Tensor:
            tap = Tap(run.network.trace, stem, leaf=True, edits=run.edits)
            with torch.enable_grad():
                scores = target.score(run.network.run(noisy, tap.edits), slice(0, len(noisy)))
                return gradient(scores, tap.value, "the input")

        return behind_stem, lambda mean: carry_back(run.network, stem, x, mean, run.edits)


@public(SmoothGrad)
def smoothgrad(
    model: Any,
    x: Any,
    target: TargetLike = None,
    *,
    of: Any = saliency,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    why: TargetLike = None,
    instead_of: TargetLike = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    **options: Any,
) -> Heatmap:
    r"""SmoothGrad: the mean of a method's maps over noisy copies of the image.

    $$\hat M(x) = \frac{1}{n} \sum_{s=1}^{n} M(x + \epsilon_s), \qquad
      \epsilon_s \sim \mathcal{N}(0, \sigma^2), \quad \sigma = \mathrm{noise} \cdot (x_{max} - x_{min})$$

    With `of=explain.saliency` the *gradients* are averaged, with their signs, and only their mean is reduced to one
    value a pixel, as in the paper. `noise=0` gives the map of the method itself, to the last bit, from one pass.

    With noise, normalisations are folded into the convolutions before them, which rounds otherwise than the network
    does. In single precision a ReLU whose input is all but 0 may then be on in one and off in the other, which decides
    on its whole gradient. Measured against passes without folding: with random weights the maps differ by 3e-7 of their
    range; those of a trained EfficientNet-Lite0, of a photograph with noise=0.15, by up to 0.4 % in a single sample and
    0.3 % in the mean of ten.

    With `instead_of`, magnitudes of a method without signs, such as `explain.saliency`, do not tell A instead of B from
    B instead of A; `signed=True` does.

    As snapshots, `explain.snapshots(explain.smoothgrad, ...)`, the map is the mean of the samples so far: after 12 of
    50 it is what `samples=12` gives. `Heatmap.unfinished` and `Heatmap.params` say how many there are.

    Args:
        model: `nn.Module` or `Classifier`. It is explained as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images. Every image gets the same noise,
            scaled by its own range, so a batch gives what its images give one by one.
        target: as in `of`. None is the top class of the clean image, for all its noisy copies.
        of: the method to smooth: any of `explain`, or any function (model, x, target) -> Heatmap.
        samples: number of noisy copies.
        noise: standard deviation of the noise as a share of the range of the network's input.
        seed: seed of the noise; the global random state is neither used nor changed.
        why: the same as `target`, to go with `instead_of`.
        instead_of: a class whose score is subtracted; see above.
        chunk: samples per pass. It bounds the memory and does not change the result.
        progress: called with (samples done, samples in all).
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.
        options: parameters of the method `of`, such as layer="layer3".

    Returns:
        `Heatmap` with values of the form and unit that `of` gives, and its `params["note"]`.

    Raises:
        OptionError: a keyword that neither SmoothGrad nor `of` takes, or a number out of range.
        TargetError: a class that the model does not have.
        ModelError: a model without gradients, or with NaN.

    """
    method = SmoothGrad.made(
        "explain.smoothgrad", {"of": of, "samples": samples, "noise": noise, "seed": seed, **options}
    )
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

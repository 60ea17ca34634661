"""Folding a batch normalisation into the convolution before it: in evaluation mode both are one affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from cnnwidgets.explain.calls import argument

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Normalisation:
    """A batch normalisation in evaluation mode: (x - mean) / sqrt(variance + eps) * weight + bias."""

    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    variance: Tensor
    eps: float

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift per channel, float64."""
        scale = (self.variance.double() + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.double()
        shift = -self.mean.double() * scale
        if self.bias is not None:
            shift = shift + self.bias.double()
        return scale, shift


def is_affine(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call of `batch_norm` in a module does what the module's own statistics, weights and eps say.

    Subclasses of `nn.BatchNorm2d` may do something else: take the batch's statistics always, or weights that they make.
    """
    if not isinstance(module, nn.modules.batchnorm._BatchNorm) or module.running_mean is None:  # noqa: SLF001
        return False
    names = ("running_mean", "running_var", "weight", "bias")
    same = all(argument(args, kwargs, n, name) is getattr(module, name) for n, name in enumerate(names, 1))
    return same and not argument(args, kwargs, 5, "training") and argument(args, kwargs, 7, "eps") == module.eps


def folded(weight: Tensor, bias: Tensor | None, norm: Normalisation) -> tuple[Tensor, Tensor]:
    """Return weight (out, ...) and bias (out,) of the convolution that does both, in the weight's dtype."""
    scale, shift = norm.affine()
    if bias is not None:
        shift = shift + bias.double() * scale
    shaped = scale.to(weight.dtype).reshape(-1, *(1,) * (weight.ndim - 1))
    return weight * shaped, shift.to(weight.dtype)

"""Folding a batch normalisation into the convolution before it: in evaluation mode both are one affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def folded(weight: Tensor, bias: Tensor | None, norm: Normalisation) -> tuple[Tensor, Tensor]:
    """Return weight (out, ...) and bias (out,) of the convolution that does both, in the weight's dtype."""
    scale, shift = norm.affine()
    if bias is not None:
        shift = shift + bias.double() * scale
    shaped = scale.to(weight.dtype).reshape(-1, *(1,) * (weight.ndim - 1))
    return weight * shaped, shift.to(weight.dtype)

"""A convolution prepared for many small inputs: normalisation folded in, weights laid out once, activation fused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

Activation = tuple[str, tuple[float, ...]]

_IN_PLACE: dict[str, Callable[..., Tensor]] = {
    "relu": torch.relu_,
    "hardtanh": F.hardtanh_,
    "swish": lambda x: F.silu(x, inplace=True),
    "hardswish": lambda x: F.hardswish(x, inplace=True),
}


def _onednn(weight: Tensor) -> Any:
    """Return oneDNN's convolution operators; None where this PyTorch or the processor has none for a weight."""
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return None
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    operators = torch.ops.mkldnn
    if weight.dtype == torch.bfloat16 and not operators._is_mkldnn_bf16_supported():  # noqa: SLF001 - without AVX-512
        return None
    names = ("_convolution_pointwise", "_reorder_convolution_weight")
    return operators if all(hasattr(operators, name) for name in names) else None


class Convolution:
    """A two-dimensional convolution with its activation.

    On a CPU the weights are kept in the order that oneDNN's kernels read, which PyTorch would otherwise bring about
    in every call: for the small inputs that a patch gives, that costs as much as the convolution.

    Args:
        weight: (out, in/groups, kh, kw).
        bias: (out,) or None.
        stride: (down, across).
        padding: (down, across) that whole maps get, or None where it is not the same on both sides.
        dilation: (down, across).
        groups: number of groups.
        activation: name and parameters, or None.
        size: shape (1,C,H,W) of a typical input.

    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: tuple[int, int],
        padding: tuple[int, int] | None,
        dilation: tuple[int, int],
        groups: int,
        activation: Activation | None,
        size: tuple[int, ...],
    ) -> None:
        # A kernel of one tap that strides reads few of the cells that it is given; oneDNN goes over all of them.
        picks = tuple(weight.shape[2:]) == (1, 1) and stride != (1, 1) and padding in (None, (0, 0))
        self._picks = stride if picks else None
        if picks:
            size = (*size[:2], -(-size[2] // stride[0]), -(-size[3] // stride[1]))
        self.stride = (1, 1) if self._picks else stride
        self.padding, self.dilation, self.groups = padding, dilation, groups
        self.activation, self.bias = activation, bias
        self.kernel = tuple(weight.shape[2:])
        self.macs_per_cell = weight.numel()
        native = _onednn(weight)
        self._run = self._plain if native is None else native._convolution_pointwise.default  # noqa: SLF001
        if native is None:
            self.weight = weight.contiguous(memory_format=torch.channels_last)
        else:
            self.weight = native._reorder_convolution_weight(  # noqa: SLF001
                weight.contiguous(), list(padding or (0, 0)), list(self.stride), list(dilation), groups, list(size)
            )
        self._attribute = activation[0] if activation else "none"
        self._scalars = list(activation[1]) if activation else []

    def _plain(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], *_options: Any
    ) -> Tensor:
        out = F.conv2d(x, weight, bias, self.stride, padding, self.dilation, self.groups)
        if self.activation is None:
            return out
        name, parameters = self.activation
        return _IN_PLACE[name](out, *parameters)

    def __call__(self, x: Tensor, padding: tuple[int, int] = (0, 0)) -> Tensor:
        """Convolve (B,C,h,w)."""
        if self._picks:
            x = x[:, :, :: self._picks[0], :: self._picks[1]].contiguous(memory_format=torch.channels_last)
        return self._run(
            x, self.weight, self.bias, padding, self.stride, self.dilation, self.groups,
            self._attribute, self._scalars, "",
        )  # fmt: skip

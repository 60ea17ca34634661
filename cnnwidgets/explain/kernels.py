"""Finding a convolution in a network and reading its weights, without a forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from cnnwidgets.errors import LayerError, ModelError, OptionError, nearest
from cnnwidgets.explain.layers import module_path
from cnnwidgets.explain.subject import Explainable
from cnnwidgets.explain.twin import make_twin, unwrap

if TYPE_CHECKING:
    from cnnwidgets.explain.layer import Layer

_MOST_NAMES = 8
# Hooks that compute `weight` from other tensors before a forward pass: until then it may be out of date.
_RECOMPUTING = (WeightNorm, SpectralNorm, BasePruningMethod)


def read_convolution(model: Any, layer: str | int | nn.Module | Layer) -> tuple[str, nn.Module, Tensor]:
    """Return a convolution's path, a twin of it, and its weight as the next forward pass would use it.

    Args:
        model: `nn.Module` or `Classifier`; left as found.
        layer: name, `Layer`, index into an `nn.Sequential`, or the module itself.

    Returns:
        The path in the network, the module's twin in evaluation mode, and its weight, float32 on the CPU, of shape
        (O, I/groups, kh, kw), of a transposed convolution (I, O/groups, kh, kw).

    Raises:
        LayerError: no such layer, or one without filters; the error names the convolutions.
        ModelError: the weights do not exist, as those of a lazy layer that has seen no data.

    """
    found = model.model if isinstance(model, Explainable) else model
    if not isinstance(found, nn.Module):
        raise OptionError(f"The model is a {type(model).__name__}; give a torch.nn.Module or a cnnwidgets.Classifier.")
    network = unwrap(found)
    path = module_path(network, layer)
    # In training mode, reading a spectrally normalised weight changes its buffers: so it is read from a twin.
    twin = make_twin(network)
    modules = dict(twin.named_modules(remove_duplicate=False))
    for name in (path, path.rpartition("#")[0]):  # "conv#1" is the second call of the same weights
        if name in modules and has_filters(modules[name]):
            return name, modules[name], _values(name, modules[name])
    raise _not_a_convolution(path, modules)


def has_filters(module: nn.Module) -> bool:
    """Whether a module has a weight as 2-d convolutions have. Ask a twin: the weight may have to be computed.

    A class that is not called a convolution counts if its weight has four dimensions and more than a cell per plane:
    a normalisation may keep its scale as (1,C,1,1).
    """
    weight = _weight(module)
    if weight is None or weight.ndim != 4:
        return False
    return "conv" in kind_of(module).lower() or weight.shape[2] * weight.shape[3] > 1


def kind_of(module: nn.Module) -> str:
    """Return the name of a module's class, of a parametrised one the original's."""
    if isinstance(module, torch.jit.ScriptModule):
        return str(module.original_name)
    return str(type_before_parametrizations(module).__name__)


def _weight(module: nn.Module) -> Tensor | None:
    with torch.no_grad():
        for hook in module._forward_pre_hooks.values():  # noqa: SLF001 - there is no other way to see them
            if isinstance(hook, _RECOMPUTING):
                hook(module, ())
        weight = getattr(module, "weight", None)
        if callable(weight) and not isinstance(weight, Tensor | nn.Module):  # as quantised convolutions give it
            weight = weight()
    return weight if isinstance(weight, Tensor) else None


def _values(path: str, module: nn.Module) -> Tensor:
    weight = _weight(module)
    if weight is None or weight.device.type == "meta":
        raise ModelError(f"The weight of {path!r} has no values yet: it is on PyTorch's meta device. Load the weights.")
    if weight.is_complex():
        raise ModelError(f"The weight of {path!r} is complex; filters are shown of real numbers only.")
    return (weight.dequantize() if weight.is_quantized else weight).detach().float().cpu()


def _not_a_convolution(path: str, modules: dict[str, nn.Module]) -> LayerError:
    names = [name for name, module in modules.items() if has_filters(module)]
    inside = [name for name in names if name.startswith(f"{path}.")]
    what = (
        f"The layer {path!r}, a {kind_of(modules[path])}, has no filters of its own: it is no 2-d convolution."
        if path in modules
        else f"The network has no module {path!r}, so there are no filters to show.{nearest(path, names)}"
    )
    if not names:
        return LayerError(f"{what} This network has no 2-d convolutions.")
    shown = inside or names
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    where = "The convolutions in it are" if inside else "The convolutions are"
    return LayerError(f"{what} {where} {', '.join(map(repr, shown[:_MOST_NAMES]))}{more}.")

"""Where tensors lie in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def storage_place(tensor: Tensor) -> int:
    """Return where the storage of a tensor lies, 0 for one without: sparse, quantised, or inside `torch.vmap`."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def data_place(tensor: Tensor) -> int:
    """Return where the first value of a tensor lies, 0 for one without a storage."""
    return tensor.data_ptr() if storage_place(tensor) else 0

"""The network as a graph of tensor functions: exported once for each structure, without weights."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import warnings
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from cnnwidgets.explain.fork_lock import ForkLock
from cnnwidgets.explain.incremental.functional import without_writing
from cnnwidgets.explain.interception import Interception
from cnnwidgets.explain.randomness import PrivateRandomness
from cnnwidgets.explain.thread_state import on_restore
from cnnwidgets.explain.twin import make_twin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnwidgets.explain.network import Network

_LARGEST_BATCH = 1 << 16


@dataclass(frozen=True, eq=False)
class Graph:
    """A functional graph of ATen calls, good for any batch size.

    Attributes:
        nodes: the calls in order, functional (nothing is written in place).
        placeholders: the picture, and the tensors that the network brings.
        image: name of the placeholder that takes the picture.
        weights: placeholder -> path of the parameter, buffer or other tensor in the network.
        constants: placeholder -> tensor that the forward pass made.
        results: what the graph returns, in order.
        form: how the network packs its results: a tensor, a tuple, a dict.

    """

    nodes: tuple[fx.Node, ...]
    placeholders: tuple[fx.Node, ...]
    image: str
    weights: dict[str, str]
    constants: dict[str, Tensor]
    results: tuple[Any, ...]
    form: Any

    def weights_of(self, module: nn.Module) -> dict[str, Tensor]:
        """Return the tensors of a network of this structure, by placeholder."""
        return {name: _held(module, path) for name, path in self.weights.items()}


def _held(module: nn.Module, path: str) -> Any:
    """Return what a module holds under a dotted path, None if nothing."""
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part, None)
    return value


class NotIncrementalError(Exception):
    """The engine cannot follow a network; the text says why."""


class GivenUpError(NotIncrementalError):
    """The exporter stumbled, over the network or over something of the moment, such as a lack of memory."""


@dataclass(frozen=True)
class Reason:
    """Why there is no graph, as text: an exception would keep the frames, and with them the model, alive.

    Attributes:
        text: the words.
        lasts: whether the network's structure is the reason, as far as can be told.

    """

    text: str
    lasts: bool


_GRAPHS: weakref.WeakKeyDictionary[nn.Module, dict[Any, Graph | Reason]] = weakref.WeakKeyDictionary()
_KEPT = 4
_ONE_AT_A_TIME = ForkLock()  # the exporter patches PyTorch for its time; two at once trip over each other


def graph_of(network: Network) -> Graph:
    """Return the graph of a network for inputs of the size that it has; remembered while the structure stays.

    So is the reason why there is none, where the structure is the reason. What may be of the moment is tried once
    more, and taken for the structure's when it comes again in the same words.

    Raises:
        NotIncrementalError: its forward pass depends on values or draws random numbers, or is no Python (TorchScript).

    """
    key = (network.structure, tuple(network.x.shape[1:]), network.x.dtype, network.x.device)
    found = _GRAPHS.get(network.model, {}).get(key)
    if not _lasts(found):
        with _ONE_AT_A_TIME:
            graphs = _GRAPHS.setdefault(network.model, {})
            found = graphs.get(key)  # another thread may have come first
            if not _lasts(found):
                found = graphs[key] = _tried(network, found)
                while len(graphs) > _KEPT:
                    graphs.pop(next(iter(graphs)), None)
    if not isinstance(found, Graph):
        raise NotIncrementalError("" if found is None else found.text)
    return found


def _lasts(found: Graph | Reason | None) -> bool:
    return isinstance(found, Graph) or (found is not None and found.lasts)


def _tried(network: Network, before: Graph | Reason | None) -> Graph | Reason:
    """Export a network; `before` is how it ended the last time."""
    try:
        return _export(network)
    except GivenUpError as error:
        again = isinstance(before, Reason) and before.text == str(error)
        return Reason(str(error), again and not isinstance(error.__cause__, MemoryError | OSError))
    except NotIncrementalError as error:
        return Reason(str(error), lasts=True)


def _export(network: Network) -> Graph:
    if network.trace.draws:
        raise NotIncrementalError("its forward pass draws random numbers")
    if network.trace.branches:
        raise NotIncrementalError("its forward pass depends on the values of the picture")
    if any(isinstance(part, torch.jit.ScriptModule) for part in network.module.modules()):
        raise NotIncrementalError("it holds TorchScript")
    example = network.x[:1].detach().expand(2, -1, -1, -1).contiguous()
    try:
        with _quiet(), torch.no_grad(), PrivateRandomness(), Interception():
            batch = torch.export.Dim("batch", min=1, max=_LARGEST_BATCH)  # loads SymPy, which sets filters of warnings
            program = torch.export.export(
                make_twin(network.module), (example,), dynamic_shapes=({0: batch},), strict=False
            )
            if not without_writing(program.graph):
                program = program.run_decompositions({})  # functional, too, but takes several times as long
    except Exception as error:  # whatever stops the exporter, full passes work
        raise _given_up(error) from error
    return _graph(program, network.module)


def _given_up(error: Exception) -> NotIncrementalError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if "data-dependent" in first:
        return NotIncrementalError("its forward pass depends on the values of the picture")
    if "Constraints violated" in first:
        return NotIncrementalError(
            "its forward pass fixes the number of images, as len(x) does where x.shape[0] would not"
        )
    return GivenUpError(f"torch.export gives up: {first[:200]}")


def _graph(program: torch.export.ExportedProgram, module: nn.Module) -> Graph:
    signed = program.graph_signature
    if len(signed.user_inputs) != 1 or signed.buffers_to_mutate or signed.user_inputs_to_mutate:
        raise NotIncrementalError("its forward pass writes to its buffers or its input")
    loose = signed.inputs_to_lifted_tensor_constants  # on attributes of the modules, or made in the forward pass
    held = {name: path for name, path in loose.items() if isinstance(_held(module, path), Tensor)}
    constants = {name: program.constants[path] for name, path in loose.items() if name not in held}
    nodes = tuple(program.graph.nodes)
    if any(node.op == "get_attr" for node in nodes):
        raise NotIncrementalError("its forward pass switches autocast, or holds another graph")
    if any(str(node.target).startswith("aten.as_strided") for node in nodes):
        raise NotIncrementalError("its forward pass reads memory by strides")
    (results,) = (node.args[0] for node in nodes if node.op == "output")
    return Graph(
        nodes=tuple(node for node in nodes if node.op == "call_function"),
        placeholders=tuple(node for node in nodes if node.op == "placeholder"),
        image=str(signed.user_inputs[0]),
        weights={**signed.inputs_to_parameters, **signed.inputs_to_buffers, **held},
        constants=constants,
        results=tuple(results),
        form=program.call_spec.out_spec,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's words to its developers from the notebook, and its progress bars from starting threads."""
    logger = logging.getLogger("torch")
    level = logger.level
    bars = sys.modules.get("tqdm") or importlib.import_module("tqdm") if importlib.util.find_spec("tqdm") else None
    interval = bars.tqdm.monitor_interval if bars else None
    if bars:
        bars.tqdm.monitor_interval = 0
    # Filters belong to all threads: one narrow entry goes in and out, and the user's stay as they are.
    warnings.filterwarnings("ignore", "The tensor attribute", UserWarning)
    entries = [warnings.filters[0]]

    def put_back() -> None:
        logger.setLevel(level)
        while entries:  # once: the user may have an equal one
            with contextlib.suppress(ValueError):
                warnings.filters.remove(entries.pop())  # type: ignore[attr-defined]
        if bars:
            bars.tqdm.monitor_interval = interval

    on_restore(put_back)  # where an interrupt keeps it from being done below
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        put_back()

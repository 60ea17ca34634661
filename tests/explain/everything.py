"""Every public function that runs a network, in forms that any network takes, and the world around it as one value.

```python
for function in EVERYTHING.values():
    with unchanged(net, x):
        function(net, x)
```
"""

from __future__ import annotations

import collections
import contextlib
import functools
import types
import weakref

import numpy as np
import torch

import cnnwidgets as cw
from cnnwidgets import explain
from tests.explain.state import same, state_of, surroundings


def _first(net, x):
    """Return the name of the first layer with a feature map, or "none" if there is none."""
    return next((layer.name for layer in explain.layers(net, x)), "none")


def _values(activations):
    return {name: activations[name].values for name in activations}


def _last(net, x):
    return [_first(net, x), *(layer.name for layer in explain.layers(net, x))][-1]


EVERYTHING = {
    "layers": explain.layers,
    "predict": lambda net, x: cw.Classifier(net).predict(x),
    "scores": lambda net, x: cw.Classifier(net).scores(x),
    "saliency": lambda net, x: explain.saliency(net, x, 0),
    "a contrast": lambda net, x: explain.saliency(net, x, why=0, instead_of=1),
    "smoothgrad": lambda net, x: explain.smoothgrad(net, x, 0, samples=2),
    "cam": lambda net, x: explain.cam(net, x, 0),
    "grad_cam": lambda net, x: explain.grad_cam(net, x, 0),
    "grad_cam at a layer": lambda net, x: explain.grad_cam(net, x, 0, layer=_first(net, x)),
    "occlusion": lambda net, x: explain.occlusion(net, x, 0, window=8, stride=8),
    "occlusion by full passes": lambda net, x: explain.occlusion(net, x, 0, window=8, stride=8, incremental=False),
    "occlusion_sweep": lambda net, x: explain.occlusion_sweep(net, x, window=8, stride=8),
    "activations": lambda net, x: _values(explain.activations(net, x, "all")),
    "activations of a class": lambda net, x: explain.activations(net, x, "all", target=0),
    "receptive_field": lambda net, x: explain.receptive_field(net, x, _last(net, x), (0, 0), effective=True),
    "guided_backprop": lambda net, x: explain.guided_backprop(net, x, _first(net, x), 0),
    "deconvnet": lambda net, x: explain.deconvnet(net, x, _first(net, x), 0),
    "highlight": lambda net, x: explain.highlight(net, x, _first(net, x), 0),
    "PatchIndex": lambda net, x: cw.PatchIndex.build(net, x, k=1, progress=False),
    "gap_classifier": lambda net, x: cw.gap_classifier(net, x, [0, 1][: len(x)], epochs=1),
}


def contents(owner, within=None):
    """Return what a thing holds, as values that can be compared later: into containers, objects and functions' cells.

    `state_of` compares what a module holds by identity; a counter, a queue or an array changes without that.
    """
    within = {} if within is None else within
    if type(owner) in _PLAIN:
        return repr(owner)
    if id(owner) in within:
        return "met before"
    within[id(owner)] = owner  # alive, so that its number is not given to another
    return _parts(owner, functools.partial(contents, within=within))


_PLAIN = {str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device, type}


@functools.singledispatch
def _parts(owner, inner):
    return id(owner), inner(dict(vars(owner))) if hasattr(owner, "__dict__") else None


@_parts.register
def _(owner: torch.Tensor, _inner):
    dense = owner.detach()
    return dense.clone() if dense.layout == torch.strided and dense.device.type != "meta" else repr(dense.shape)


@_parts.register
def _(owner: np.ndarray, _inner):
    return owner.copy()


@_parts.register
def _(owner: np.random.Generator, _inner):
    return repr(owner.bit_generator.state)


@_parts.register(dict)
def _(owner, inner):
    return tuple((inner(key), inner(value)) for key, value in owner.items())


@_parts.register(list)
@_parts.register(tuple)
@_parts.register(set)
@_parts.register(frozenset)
@_parts.register(collections.deque)
def _(owner, inner):
    return (type(owner), *(inner(item) for item in owner))


@_parts.register
def _(owner: functools.partial, inner):
    return inner((owner.func, owner.args, owner.keywords))


@_parts.register
def _(owner: types.MethodType, inner):
    return inner((owner.__func__, owner.__self__))


@_parts.register
def _(owner: types.FunctionType, inner):
    cells = [cell.cell_contents for cell in owner.__closure__ or () if cell != types.CellType()]
    return id(owner), inner((cells, owner.__defaults__, owner.__kwdefaults__))


@_parts.register(weakref.ref)
@_parts.register(type)
@_parts.register(types.ModuleType)
@_parts.register(types.BuiltinFunctionType)
def _(owner, _inner):
    return id(owner)


def attributes(net):
    """Return the plain attributes of every module: all but parameters, buffers and submodules."""
    skipped = {"_parameters", "_buffers", "_modules"}
    return {
        path: contents({key: value for key, value in vars(module).items() if key not in skipped})
        for path, module in net.named_modules()
    }


@contextlib.contextmanager
def unchanged(net, x):
    """Assert that what is done inside, and whatever it raises, leaves network, images and process as they were."""
    torch.manual_seed(11)
    before = state_of(net), attributes(net), surroundings(), x.clone(), x._version
    try:
        yield
    finally:
        same(before[0], state_of(net))
        same(before[1], attributes(net))
        same(before[2], surroundings())
        assert torch.equal(x, before[3]), "the images were changed"
        assert x._version == before[4], "the images were written to"
        assert x.grad is None
        assert not x.requires_grad

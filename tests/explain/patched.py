"""The incremental engine beside brute force: one whole pass of the user's own network for every image."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils import _pytree as pytree

from cnnwidgets.explain.incremental import incremental_passes
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.passes import make_passes
from cnnwidgets.explain.subject import subject_of

EXACT = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2}  # shares of the range of an output


class Do(nn.Module):
    """A network written as one function of the module and the picture; its parts are attributes."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def engine_of(net, x):
    """Return the engine itself; raises where the network cannot be followed."""
    return incremental_passes(Network(subject_of(net, x)), x)


def passes_of(net, x, **options):
    """Return what a sweep uses: the engine, or whole passes that say why."""
    return make_passes(Network(subject_of(net, x)), x, **options)


def patches_at(x, places, size, seed=5):
    """Return (tops, lefts, patches (B,C,h,w)) for places (top, left); the patches are noise."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn((len(places), x.shape[1], *size), generator=generator, dtype=torch.float64)
    return [top for top, _ in places], [left for _, left in places], (2 * patches).to(x)


def brute(net, x, tops, lefts, patches):
    """Return the leaves of the network's output for every patched image, each run alone."""
    found = []
    for top, left, patch in zip(tops, lefts, patches, strict=True):
        image = x.clone()
        image[0, :, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
        with torch.no_grad():
            found.append(pytree.tree_leaves(net(image)))
    return [torch.cat([leaf.reshape(1, *leaf.shape[1:]) for leaf in leaves]) for leaves in zip(*found, strict=True)]


def assert_exact(passes, net, x, places, size, *, share=None, alive=True):
    """Compare what passes give for patches at places with brute force, to a share of the range of each output."""
    given = patches_at(x, places, size)
    found = pytree.tree_leaves(passes.outputs(*given))
    expected = brute(net, x, *given)
    assert len(found) == len(expected)
    changed = 0.0
    for mine, theirs, clean in zip(found, expected, brute(net, x, [0], [0], x[:, :, :1, :1]), strict=True):
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype
        span = float(theirs.double().abs().amax())
        error = float((mine.double() - theirs.double()).abs().amax())
        assert error <= (EXACT[x.dtype] if share is None else share) * span, (error, span)
        changed = max(changed, float((theirs.double() - clean.double()).abs().amax()) / (span + 1e-300))
    assert changed > 1e-6 or not alive, "patches that change nothing prove nothing"


def spread(x, size, count=5):
    """Return places (top, left): three corners, the last corner, and the middle, as far as `count` goes."""
    room = (x.shape[2] - size[0], x.shape[3] - size[1])
    corners = [(0, 0), room, (room[0] // 2, room[1] // 3), (0, room[1]), (room[0], 0)]
    return corners[:count]

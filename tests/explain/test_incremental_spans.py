"""The arithmetic of spans against brute force: change cells, see which results change, read the windows."""

from __future__ import annotations

import hypothesis.strategies as st
import torch
from hypothesis import assume, given, settings
from torch.nn import functional as F

from cnnwidgets.explain.incremental.patch import Clean, Layout, Patch, window_of
from cnnwidgets.explain.incremental.spans import Sliding, Span, overlap, union, within

QUICK = settings(max_examples=300, deadline=None)


@st.composite
def slidings(draw):
    """A sliding operation with any padding, also negative, and any number of results that fit."""
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    dilation, cells = draw(st.integers(1, 3)), draw(st.integers(1, 24))
    before, after = draw(st.integers(-3, 6)), draw(st.integers(-3, 6))
    room = cells + before + after - dilation * (kernel - 1) - 1
    assume(room >= 0 and cells + min(before, 0) + min(after, 0) > 0)
    return Sliding(kernel, stride, before, dilation, cells, room // stride + 1)


@st.composite
def parts(draw, cells):
    size = draw(st.integers(1, cells))
    return Span(tuple(draw(st.lists(st.integers(0, cells - size), min_size=1, max_size=4))), size)


def reads(axis, result):
    """The cells of the input that one result looks at."""
    taps = range(axis.kernel)
    return {result * axis.stride - axis.before + tap * axis.dilation for tap in taps}


@QUICK
@given(st.data())
def test_all_results_that_can_change_are_reached_and_windows_hold_what_they_read(data):
    axis = data.draw(slidings())
    part = data.draw(parts(axis.cells))
    reach = axis.reached(part)
    shift = max(axis.before, 0)
    for image, start in enumerate(part.starts):
        changed = set(range(start, start + part.size))
        first = reach.out.starts[image]
        out = range(first, first + reach.out.size)
        assert 0 <= first <= out[-1] < axis.results
        assert {r for r in range(axis.results) if reads(axis, r) & changed} <= set(out)
        window = range(reach.window.starts[image], reach.window.starts[image] + reach.window.size)
        needed = {cell + shift for r in out for cell in reads(axis, r)}
        assert (window[0], window[-1]) == (min(needed), max(needed))
        assert 0 <= window[0] <= window[-1] < axis.cells + shift + max(axis.after, 0)
        shared = sorted(cell + shift for cell in changed if cell + shift in window)
        assert reach.overlap.length[image] == len(shared)
        if shared:
            assert window[reach.overlap.in_window[image]] == shared[0]
            assert start + reach.overlap.in_part[image] + shift == shared[0]


@QUICK
@given(st.data())
def test_no_more_is_recomputed_than_can_change(data):
    axis = data.draw(slidings())
    start = data.draw(st.integers(0, axis.cells - 1))
    part = Span((start,), data.draw(st.integers(1, axis.cells - start)))
    span = range(start - axis.reach, start + part.size)  # with dilation, the gaps between the taps count
    possible = sum(r * axis.stride - axis.before in span for r in range(axis.results))
    assert axis.reached(part).out.size == max(1, possible)


@QUICK
@given(st.data())
def test_windows_hold_the_padded_map_with_the_patch_in_place(data):
    down, across = data.draw(slidings()), data.draw(slidings())
    rows = data.draw(parts(down.cells))
    lefts = data.draw(parts(across.cells))
    columns = Span(tuple(lefts.starts[i % len(lefts.starts)] for i in range(len(rows.starts))), lefts.size)
    x = torch.arange(1.0, 1 + 2 * down.cells * across.cells).view(1, 2, down.cells, across.cells)
    clean = Clean(x.clone(), Layout(tuple(x.shape)))
    patch = Patch(-torch.rand(len(rows.starts), 2, rows.size, columns.size), rows, columns)
    sides = (across.before, across.after, down.before, down.after)
    reach = (down.reached(rows), across.reached(columns))
    found = window_of(clean, patch, *reach, (sides, 7.0))
    for image in range(len(rows.starts)):
        full = x[0].clone()
        top, left = rows.starts[image], columns.starts[image]
        full[:, top : top + rows.size, left : left + columns.size] = patch.values[image]
        padded = F.pad(full, [max(side, 0) for side in sides], value=7.0)
        top = reach[0].out.starts[image] * down.stride - min(down.before, 0)
        left = reach[1].out.starts[image] * across.stride - min(across.before, 0)
        expected = padded[:, top : top + reach[0].window.size, left : left + reach[1].window.size]
        assert torch.equal(found[image], expected)
    assert torch.equal(clean.values, x)


@QUICK
@given(st.data())
def test_a_union_holds_every_span_and_stays_inside(data):
    cells = data.draw(st.integers(1, 20))
    count = data.draw(st.integers(1, 3))
    sizes = [data.draw(st.integers(1, cells)) for _ in range(2)]
    spans = [Span(tuple(data.draw(st.integers(0, cells - size)) for _ in range(count)), size) for size in sizes]
    found = union(tuple(spans), cells)
    for image in range(count):
        for span in spans:
            shared = overlap(found, span)
            assert shared.length[image] == span.size
        assert 0 <= found.starts[image] <= cells - found.size
    assert found.size == max(
        max(s.starts[i] + s.size for s in spans) - min(s.starts[i] for s in spans) for i in range(count)
    )


def test_spans_outside_of_a_map_are_pushed_inside():
    assert within([-4, 7], [-2, 9], 8) == Span((0, 7), 1)
    assert within([3, 9], [5, 12], 8) == Span((3, 6), 2)
    assert within([5], [4], 8) == Span((5,), 1)

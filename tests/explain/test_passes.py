"""Whole passes: a batch of places gives what the places give one by one, whatever the network does with a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from cnnwidgets.errors import OptionError
from tests.explain.nets import Gap, noise, seeded


class Stretching(nn.Module):
    """Stretches its input to 0..1 over the whole batch, as many do without a thought."""

    def __init__(self) -> None:
        super().__init__()
        self.net = seeded(Gap())

    def forward(self, x):
        return self.net((x - x.min()) / (x.max() - x.min()))


@pytest.mark.parametrize("options", [{"incremental": False}, {"keep": True, "baseline": "local_mean"}, {}], ids=str)
def test_places_of_one_pass_do_not_influence_each_other(options):
    net, x = Stretching().eval(), noise(1, 3, 16, 16)
    alone, together = (explain.occlusion(net, x, 1, window=4, chunk=chunk, **options).values for chunk in (1, None))
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * np.abs(alone).max())


def test_places_share_passes_where_nothing_speaks_against_it():
    passes = []
    net = seeded(Gap())
    net.register_forward_hook(lambda _net, args, _out: passes.append(len(args[0])))
    explain.occlusion(net, noise(1, 3, 16, 16), 1, window=4, incremental=False)
    assert max(passes) > 2


def test_a_dtype_that_nothing_is_computed_in_is_refused():
    with pytest.raises(OptionError, match="float8_e4m3fn"):
        explain.occlusion(seeded(Gap()), noise(1, 3, 16, 16), 1, window=4, dtype=torch.float8_e4m3fn)

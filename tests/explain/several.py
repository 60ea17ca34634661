"""Networks in which a function gives several results, each of which is a layer, and plain autograd through them."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from tests.explain.nets import seeded


class Both(nn.Module):
    """A module that gives a tuple, a list or a dict."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, y):
        return self.form(y[:, :3].tanh(), y[:, 3:].sin())


class Recurrent(nn.Module):
    """Rows of the map as a sequence, read by an LSTM that gives its states and the last ones."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 5, num_layers=2, batch_first=True)

    def forward(self, y):
        states, (last, cell) = self.lstm(y.flatten(1, 2))
        return states.unflatten(1, (8, 6)), *(one.transpose(0, 1).unflatten(2, (5, 1)) for one in (last, cell))


class Attending(nn.Module):
    """Attention over the cells, with the weights that it gives."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, y):
        tokens = y.flatten(2).transpose(1, 2)
        values, weights = self.attention(tokens, tokens, tokens, average_attn_weights=False)
        return values.transpose(1, 2).unflatten(2, (6, 6)), weights


DIVISIONS = {
    "chunk": lambda: lambda y: y.chunk(2, 1),
    "chunk, three unequal": lambda: lambda y: torch.chunk(y, 3, dim=1),
    "chunk, by rows": lambda: lambda y: y.chunk(2, 2),
    "split": lambda: lambda y: y.split(3, 1),
    "split, by columns": lambda: lambda y: torch.split(y, 4, -1),
    "split with sizes": lambda: lambda y: y.split([1, 2, 5], 1),
    "split_with_sizes": lambda: lambda y: torch.split_with_sizes(y, [4, 1, 1], 2),
    "unbind": lambda: lambda y: y.unflatten(1, (2, 4)).unbind(1),
    "unbind, of rows": lambda: lambda y: y.unflatten(2, (3, 2)).unbind(3),
    "taken apart": lambda: lambda y: tuple(y.unflatten(1, (2, 4)).transpose(0, 1)),
    "tensor_split": lambda: lambda y: y.tensor_split(3, 1),
    "tensor_split, by rows": lambda: lambda y: torch.tensor_split(y, (2, 3), 2),
    "hsplit": lambda: lambda y: torch.hsplit(y, 2),
    "vsplit": lambda: lambda y: [one.transpose(0, 1) for one in torch.vsplit(y.transpose(0, 1), 2)],
    "dsplit": lambda: lambda y: torch.dsplit(y, 3),
    "topk": lambda: lambda y: y.topk(3, 1),
    "topk, of columns": lambda: lambda y: torch.topk(y, 2),
    "sort": lambda: lambda y: y.sort(1),
    "sort, descending": lambda: lambda y: torch.sort(y, dim=1, descending=True),
    "max": lambda: lambda y: y.max(1, keepdim=True),
    "min": lambda: lambda y: torch.min(y, 1, keepdim=True),
    "median": lambda: lambda y: y.median(1, keepdim=True),
    "nanmedian": lambda: lambda y: torch.nanmedian(y, 1, keepdim=True),
    "mode": lambda: lambda y: y.mode(1, keepdim=True),
    "kthvalue": lambda: lambda y: y.kthvalue(3, 1, keepdim=True),
    "cummax": lambda: lambda y: y.cummax(1),
    "cummin": lambda: lambda y: torch.cummin(y, 1),
    "aminmax": lambda: lambda y: torch.aminmax(y, dim=1, keepdim=True),
    "var_mean": lambda: lambda y: torch.var_mean(y, 1, keepdim=True),
    "std_mean": lambda: lambda y: torch.std_mean(y, 1, keepdim=True),
    "frexp": lambda: torch.frexp,
    "max_pool2d": lambda: lambda y: F.max_pool2d(y, 2, return_indices=True),
    "MaxPool2d": lambda: nn.MaxPool2d(3, 2, 1, return_indices=True),
    "adaptive_max_pool2d": lambda: lambda y: F.adaptive_max_pool2d(y, 3, return_indices=True),
    "broadcast_tensors": lambda: lambda y: torch.broadcast_tensors(y[:, :1], y),
    "qr": lambda: torch.linalg.qr,
    "lstm": Recurrent,
    "attention": Attending,
    "a tuple": lambda: Both(lambda a, b: (a, b)),
    "a list": lambda: Both(lambda a, b: [a, b]),
    "a dict": lambda: Both(lambda a, b: {"first": a, "second": b}),
    "into given tensors": lambda: lambda y: torch.max(
        y.detach(), 1, keepdim=True, out=(torch.empty_like(y[:, :1]), torch.empty_like(y[:, :1], dtype=torch.long))
    ),
}  # fmt: skip


class Divided(nn.Module):
    """A map, divided by a function; every result goes through a module of its own, which returns it as it is."""

    def __init__(self, division, parts=3):
        super().__init__()
        self.first, self.relu, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1)
        self.division = division()
        self.part = nn.ModuleList(nn.Identity() for _ in range(parts))

    def forward(self, x):
        results = self.division(self.second(self.relu(self.first(x))))
        results = list(results.values() if isinstance(results, dict) else results)
        scores = 0
        for number, (part, result) in enumerate(zip(self.part, results, strict=False)):
            flat = part(result).to(x.dtype).flatten(1)
            weights = torch.cos((1.0 + number) * torch.arange(flat.shape[1] * 4)).reshape(-1, 4).to(x)
            scores = scores + (0.3 * flat).sin() @ weights + flat @ weights.roll(1, 1) / 10
        return scores


def divided(name):
    return seeded(Divided(DIVISIONS[name]), dtype=torch.float64)


class Witness:
    """One pass with plain hooks, with gradients: what each part was, and what comes back to it.

    The ReLU before the division hands back as guided backpropagation says, where `guided` is true.
    """

    def __init__(self, model, x):
        model = copy.deepcopy(model)
        self.parts, self.kept = {}, {}
        for number, part in enumerate(model.part):
            part.register_forward_hook(lambda _module, _args, result, n=number: self.parts.setdefault(n, result))
        for name in ("first", "relu"):
            module = getattr(model, name)
            module.register_forward_hook(lambda _module, _args, result, n=name: self.kept.setdefault(n, result))
        self.x = x.clone().requires_grad_(True)
        self.output = model(self.x)

    def grad_cam(self, number, target):
        value = self.parts[number]
        (slope,) = torch.autograd.grad(self.output[:, target].sum(), value, retain_graph=True)
        return (slope.mean((2, 3), keepdim=True) * value).sum(1).detach()

    def guided(self, number, channel, cell):
        unit = self.parts[number][:, channel, cell[0], cell[1]].sum()
        (slope,) = torch.autograd.grad(unit, self.kept["relu"], retain_graph=True)
        gated = slope.clamp(min=0) * (self.kept["first"] > 0)
        return torch.autograd.grad(self.kept["first"], self.x, gated, retain_graph=True)[0]

    def plain(self, number, channel, cell):
        unit = self.parts[number][:, channel, cell[0], cell[1]].sum()
        return torch.autograd.grad(unit, self.x, retain_graph=True)[0]

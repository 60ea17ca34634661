"""A zoo of small networks of odd but plausible kinds, for images (N,3,16,16): by name, how to make one and an input."""

from __future__ import annotations

import copy
import functools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from tests.explain.nets import noise, seeded

if TYPE_CHECKING:
    from collections.abc import Callable

X = noise(2, 3, 16, 16)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        share = torch.sigmoid(x)
        return slope * share * (1 + x * (1 - share))


class OwnReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.saved_tensors[0]


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, x):
        return x.round()

    @staticmethod
    def backward(_ctx, slope):
        return slope


class WithSetup(torch.autograd.Function):
    """The newer form, with a context of its own, and an elementwise function that only NumPy knows."""

    @staticmethod
    def forward(x):
        return torch.from_numpy(abs(x.detach().numpy()))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.saved_tensors[0].sign()


saved_swish = Swish.apply


class Calls(nn.Module):
    """A module around a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def chain(*middle, channels=6, act=nn.ReLU):
    """Convolutions with something in the middle that keeps the channels, and a head on which CAM is exact."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1),
        act(),
        *middle,
        nn.Conv2d(channels, 8, 3, padding=1),
        act(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def activated(function):
    return chain(act=lambda: Calls(function))


class Base(nn.Module):
    """Two convolutions and a head; a subclass says how they are put together."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.body(x))

    def body(self, x):
        return self.second(self.first(x).relu()).relu()

    def head(self, x):
        return self.fc(x.mean((2, 3)))


class Checkpointed(Base):
    reentrant = False

    def body(self, x):
        return checkpoint(super().body, x, use_reentrant=self.reentrant)


class CheckpointedReentrantly(Checkpointed):
    reentrant = True


class CheckpointedChain(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU())
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(checkpoint_sequential(self.features, 2, x, use_reentrant=False).mean((2, 3)))


class InferenceForward(Base):
    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


class NoGradBody(Base):
    @torch.no_grad()
    def body(self, x):
        return super().body(x)


class InferenceBlock(Base):
    def forward(self, x):
        with torch.inference_mode():
            x = self.body(x)
        return self.head(x.clone())


class Detached(Base):
    def forward(self, x):
        return self.head(self.body(x).detach())


class Branch(Base):
    def body(self, x):
        x = (self.first(x) if x.mean() > 0 else self.first(-x)).relu()
        return self.second(x).relu()


class EarlyExit(Base):
    def forward(self, x):
        x = self.first(x).relu()
        early = self.fc(x.mean((2, 3)))
        return early if early.softmax(1).max() > 0.5 else self.fc(self.second(x).relu().mean((2, 3)))


class Loop(Base):
    def body(self, x):
        times = 1 + int(x.abs().mean() > 0.8)
        x = self.first(x).relu()
        for _ in range(times):
            x = self.second(x).relu()
        return x


class Experts(Base):
    """Each image goes to one of two experts."""

    def body(self, x):
        x = self.first(x).relu()
        chosen = (x.mean((1, 2, 3)) > 0.45).tolist()
        return torch.stack([self.second(one) if first else one for one, first in zip(x, chosen, strict=True)]).relu()


class StochasticDepth(Base):
    def body(self, x):
        x = self.first(x).relu()
        return x + self.second(x).relu() if torch.rand(()) < 0.5 else x


class Noisy(Base):
    def body(self, x):
        x = super().body(x)
        return x + 0.1 * torch.randn_like(x)


class Shared(Base):
    """A convolution that is registered under two names and called twice."""

    def __init__(self):
        super().__init__()
        self.third = self.second

    def body(self, x):
        return self.third(super().body(x)).relu_()


class InPlace(Base):
    def body(self, x):
        x = F.relu(self.first(x), inplace=True)
        x += 0.5
        x[:, :, 0] = 0
        return self.second(x).mul_(2).relu_()


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleDict({"a": nn.ModuleList([nn.Conv2d(3, 6, 3), nn.ReLU()]), "b": nn.ModuleList()})
        self.stages = nn.Sequential(nn.Sequential(nn.Conv2d(6, 6, 3), nn.ReLU()), nn.Sequential(nn.MaxPool2d(2)))
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        for part in [*self.blocks["a"], *self.blocks["b"]]:
            x = part(x)
        for part in self.stages:
            x = part(x)
        return self.fc(x.mean((2, 3)))


class AsDict(Base):
    def forward(self, x):
        x = self.body(x)
        return {"features": x, "logits": self.head(x)}


class AsTuple(Base):
    def forward(self, x):
        x = self.body(x)
        return x.mean((2, 3)) > 0, self.head(x), x


class Named(NamedTuple):
    logits: torch.Tensor
    features: torch.Tensor


class AsNamedTuple(Base):
    def forward(self, x):
        x = self.body(x)
        return Named(self.head(x), x)


@dataclass
class Output:
    logits: torch.Tensor


class AsDataclass(Base):
    def forward(self, x):
        return Output(super().forward(x))


class AsText(Base):
    def forward(self, x):
        return f"class {int(super().forward(x).argmax())}"


class Scored(Base):
    """Gives a function of the logits."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(super().forward(x))


class Buffered(nn.Module):
    """Buffers and no parameters."""

    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", noise(4, 3, 3, 3, seed=5))

    def forward(self, x):
        return F.conv2d(x, self.kernel).relu().mean((2, 3))


class Fourier(Base):
    def body(self, x):
        x = self.first(x).relu()
        x = torch.fft.irfft2(torch.fft.rfft2(x) * 0.5, s=x.shape[-2:])
        return self.second(x).relu()


class Einsum(Base):
    def body(self, x):
        x = self.first(x).relu()
        return torch.einsum("nchw,dc->ndhw", x, self.second.weight[:, :, 1, 1]).relu()


class Unfold(Base):
    def body(self, x):
        x = self.first(x).relu()
        columns = F.unfold(x, 3, padding=1)
        return F.fold(columns, x.shape[2:], 3, padding=1).relu()


class Excited(Base):
    def body(self, x):
        x = super().body(x)
        return x * torch.sigmoid(self.second(x.mean((2, 3), keepdim=True)))


class AttentionPool(Base):
    def forward(self, x):
        x = self.body(x).flatten(2)
        weights = x.sum(1, keepdim=True).softmax(2)
        return self.fc((x * weights).sum(2))


class Mixing(Base):
    """Normalises over the batch, without statistics of its own."""

    def body(self, x):
        return F.batch_norm(super().body(x), None, None, training=True)


class Keywords(Base):
    def forward(self, x, *extra, scale=1.0, **options):
        return super().forward(x) * scale + len(options) + len(extra)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterDict({"a": nn.Parameter(noise(6, 3, 3, 3)), "b": nn.Parameter(noise(4, 6))})

    def forward(self, x):
        return F.linear(F.adaptive_avg_pool2d(F.relu(F.conv2d(x, self.weights["a"])), 1).flatten(1), self.weights["b"])


class Counter(Base):
    """Counts its calls, in Python and in a buffer."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.calls += 1
        self.steps += 1
        return super().forward(x)


class Hidden(Base):
    """A function in TorchScript, which is no module."""

    def body(self, x):
        return self.second(scripted_double(self.first(x))).relu()


class NumpyInside(Base):
    def forward(self, x):
        return self.head(torch.from_numpy(self.body(x).detach().numpy().copy()))


def quietly(make: Callable[[], nn.Module]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def _double(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x * 2)


scripted_double = quietly(lambda: torch.jit.script(_double))


def scripted_child():
    net = seeded(chain(nn.BatchNorm2d(6)))
    net[2] = quietly(lambda: torch.jit.script(net[2]))
    return net


def traced_child():
    net = seeded(chain(nn.Conv2d(6, 6, 1)))
    net[2] = quietly(lambda: torch.jit.trace(net[2], noise(1, 6, 16, 16)))
    return net


def lazy():
    net = nn.Sequential(nn.LazyConv2d(6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4))
    net(X)
    return seeded(net)


def frozen():
    return seeded(chain()).requires_grad_(requires_grad=False)


def hooked():
    net = seeded(chain())
    net[2].register_forward_hook(lambda _module, _args, result: result * 2)
    net[0].register_forward_pre_hook(lambda _module, args: (args[0] + 1,))
    return net


def normed(norm):
    net = seeded(chain())
    quietly(lambda: norm(net[2]))
    return net.eval()


def quantised():
    net = nn.Sequential(nn.quantized.FloatFunctional(), *seeded(chain()))
    return net[1:]


def fake_quantised():
    return seeded(chain(Calls(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127))))


def dynamic():
    return quietly(lambda: torch.ao.quantization.quantize_dynamic(seeded(chain()), {nn.Linear}))


_CHAINS: dict[str, Callable[[], nn.Module]] = {
    "custom Swish": lambda: activated(Swish.apply),
    "custom Swish looked up": lambda: activated(lambda x: Swish.apply(x)),  # noqa: PLW0108 - which is what it is for
    "custom Swish kept": lambda: activated(saved_swish),
    "custom ReLU": lambda: activated(lambda x: OwnReLU.apply(x)),  # noqa: PLW0108
    "straight-through rounding": lambda: chain(Calls(lambda x: StraightThrough.apply(4 * x) / 4)),
    "NumPy in a custom function": lambda: activated(lambda x: WithSetup.apply(x)),  # noqa: PLW0108
    "pixel shuffle": lambda: chain(nn.Conv2d(6, 24, 1), nn.PixelShuffle(2)),
    "grouped and depthwise": lambda: chain(nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 6, 1, groups=2)),
    "transposed convolution": lambda: chain(nn.ConvTranspose2d(6, 6, 3, stride=2)),
    "instance and group norm": lambda: chain(nn.InstanceNorm2d(6), nn.GroupNorm(2, 6), nn.LocalResponseNorm(2)),
    "dropout and identity": lambda: chain(nn.Dropout2d(), nn.Identity()),
    "channels last": lambda: chain().to(memory_format=torch.channels_last),
    "kaiming in double": lambda: chain().double(),
    "half precision": lambda: chain().half(),
    "bfloat16": lambda: chain().bfloat16(),
}
_CLASSES = (
    Checkpointed, CheckpointedReentrantly, CheckpointedChain, InferenceForward, NoGradBody, InferenceBlock, Detached,
    Branch, EarlyExit, Loop, Experts, StochasticDepth, Noisy, Shared, InPlace, Nested, AsDict, AsTuple, AsNamedTuple,
    AsDataclass, AsText, Buffered, Fourier, Einsum, Unfold, Excited, AttentionPool, Mixing, Keywords, Functional,
    Counter, Hidden, NumpyInside,
)  # fmt: skip
_FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "complex scores": lambda y: torch.complex(y, 100 * y),
    "boolean scores": lambda y: y > 0,
    "integer scores": lambda y: y.round().long(),
    "NaN scores": lambda y: y / 0 * 0,
    "a class number": lambda y: y.argmax(1),
}
_MADE: dict[str, Callable[[], nn.Module]] = {
    "scripted child": scripted_child,
    "traced child": traced_child,
    "scripted": lambda: quietly(lambda: torch.jit.script(seeded(chain()))),
    "traced": lambda: quietly(lambda: torch.jit.trace(seeded(chain()), X)),
    "exported": lambda: torch.export.export(seeded(chain()), (X[:1],)).module(),
    "fx graph": lambda: torch.fx.symbolic_trace(seeded(chain())),
    "compiled": lambda: torch.compile(seeded(chain())),
    "data parallel": lambda: nn.DataParallel(seeded(chain())),
    "lazy": lazy,
    "frozen": frozen,
    "hooked": hooked,
    "training mode": lambda: seeded(chain(nn.BatchNorm2d(6), nn.Dropout())).train(),
    "weight norm": lambda: normed(parametrizations.weight_norm),
    "old weight norm": lambda: normed(nn.utils.weight_norm),
    "spectral norm": lambda: normed(parametrizations.spectral_norm),
    "old spectral norm": lambda: normed(nn.utils.spectral_norm),
    "quantisation stubs": quantised,
    "fake quantisation": fake_quantised,
    "dynamic quantisation": dynamic,
    "deep copy": lambda: copy.deepcopy(seeded(chain())),
}


def _of(make: Callable[[], nn.Module]) -> Callable[[], tuple[nn.Module, torch.Tensor]]:
    return lambda: (make(), X.clone())


def _kept_dtype(make: Callable[[], nn.Module]) -> nn.Module:
    net = make()
    return seeded(net, dtype=next(net.parameters()).dtype)


ODD_NETS: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    **{name: _of(functools.partial(_kept_dtype, make)) for name, make in _CHAINS.items()},
    **{cls.__name__: _of(functools.partial(lambda cls: seeded(cls()), cls)) for cls in _CLASSES},
    **{
        name: _of(functools.partial(lambda function: seeded(Scored(function)), function))
        for name, function in _FUNCTIONS.items()
    },
    **{name: _of(make) for name, make in _MADE.items()},
}

"""gap_classifier: the retraining that CAM asks for on networks with fully connected heads."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnwidgets.classifier import Classifier
from cnnwidgets.errors import ImageError, ModelError, OptionError, TargetError
from cnnwidgets.explain.calls import value_of_call
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.network import Network, check_finite
from cnnwidgets.explain.outputs import class_name
from cnnwidgets.explain.subject import Subject
from cnnwidgets.explain.thread_state import restoring
from cnnwidgets.explain.twin import make_twin
from cnnwidgets.trunk import Trunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.layers import LayerLike

_CHUNK = 16


@restoring
def gap_classifier(
    clf: Classifier | nn.Module,
    images: Iterable[Any],
    labels: Sequence[int | str],
    *,
    layer: LayerLike = None,
    epochs: int = 100,
    weight_decay: float = 1e-4,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Classifier:
    r"""Put global average pooling and one linear layer on a network's convolutional trunk, and train that layer.

    Zhou et al. 2016 (arXiv:1512.04150, section 3) do this to AlexNet, VGG and GoogLeNet, because a class activation
    map only exists for networks of that form. The trunk is copied and kept as it is; the linear layer is a softmax
    regression on its averaged channels, fitted with L-BFGS on

    $$\frac{1}{N} \sum_n -\log p_{y_n}(x_n) + \lambda \lVert W \rVert^2$$

    on standardised channels (the standardisation is then folded into the layer). On the result `explain.cam` is
    exact. It is another classifier than `clf`, and may be right less often: measure it.

    Args:
        clf: a Classifier, or an `nn.Module` together with images that are tensors. It is not changed, and the result
            shares no weights with it.
        images: any iterable of pictures as `Classifier.prepare` takes them, or a float tensor (N,C,H,W).
        labels: one class per image, an index or name of `clf.classes`; names of which `clf`
            has none make a new list of classes, in alphabetical order.
        layer: where to cut, as for `explain.grad_cam`; None is the last feature map before the last pooling.
        epochs: passes of L-BFGS over the averaged channels, at most.
        weight_decay: $\lambda$.
        seed: seed of the linear layer's first weights; the global random state is neither used nor changed.
        progress: called with (done, total): images first, epochs then.
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Returns:
        A new Classifier with the same preprocessing.

    Raises:
        TargetError: labels that do not fit the images.
        ImageError: a picture that cannot be read.
        LayerError: a network without a feature map.

    """
    if isinstance(clf, nn.Module):
        clf = Classifier(clf)
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise OptionError(f"epochs={epochs!r}: give the number of passes, 1 or more.")
    wanted, classes = _labelled(clf, labels)
    total = len(wanted) + epochs
    report = progress or (lambda *_: None)
    network, found, averages = _averaged(
        clf, images, layer, lambda done: _step(report, cancel, min(done, len(wanted)), total)
    )
    if len(averages) != len(wanted):
        raise TargetError(f"{len(wanted)} labels were given for {len(averages)} images; give one per image.")
    check_finite(averages, "The feature map")
    done = len(wanted)
    linear = nn.Linear(averages.shape[1], len(classes), device="meta", dtype=averages.dtype).to_empty(device="cpu")
    for step in _fit(linear, averages, torch.tensor(wanted), epochs=epochs, weight_decay=weight_decay, seed=seed):
        _step(report, cancel, done + step, total)
    report(total, total)
    trunk = Trunk(make_twin(network.model, own_weights=True), network.trace, found.call, found.name).eval()
    weight = next(iter(trunk.parameters()), averages)
    head = linear.to(device=weight.device, dtype=weight.dtype)
    parts = OrderedDict(trunk=trunk, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=head)
    return Classifier(nn.Sequential(parts).eval(), clf.preprocess, classes, output="logits")


def _labelled(clf: Classifier, labels: Sequence[int | str]) -> tuple[list[int], tuple[str, ...]]:
    """Return the labels as indices, and the names of the classes."""
    given = labels.tolist() if isinstance(labels, Tensor | np.ndarray) else list(labels)
    if not given:
        raise TargetError("There are no labels to train on.")
    if all(isinstance(label, str) for label in given) and not set(given) & set(clf.classes):
        names = tuple(sorted({str(label) for label in given}))
        return [names.index(str(label)) for label in given], names
    wanted = [clf.index_of(label) for label in given]
    return wanted, clf.classes or tuple(class_name(index, ()) for index in range(max(wanted) + 1))


def _chunks(images: Iterable[Any]) -> Iterator[Any]:
    if isinstance(images, Tensor):
        yield from torch.split(images, _CHUNK)
        return
    source = iter(images)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def _step(report: Progress, cancel: Cancel | None, done: int, total: int) -> None:
    check_cancelled(cancel, done, total)
    report(done, total)


def _averaged(
    clf: Classifier, images: Iterable[Any], layer: LayerLike, step: Callable[[int], None]
) -> tuple[Network, Layer, Tensor]:
    """Return the network, the layer to cut it at, and the averages (N,C) of the layer's channels over their cells."""
    network: Network | None = None
    averages: list[Tensor] = []
    for pictures in _chunks(images):
        step(len(averages))
        prepared = clf.prepare(pictures)
        if network is None:
            network = Network(Subject(clf.model, prepared))
            _refuse_branches(network)
            found = find_layer(network, layer)
            _refuse_exported(network, found)
        averages.extend(_values(network, found, network.taken(prepared.x)).float().mean((2, 3)).cpu())
        step(len(averages))
    if network is None:
        raise ImageError("There are no images to train on.")
    return network, found, torch.stack(averages)


def _refuse_branches(network: Network) -> None:
    """Raise `ModelError` for a network that does not make the same calls on every picture."""
    if network.trace.branches:
        raise ModelError(
            "The model's forward pass depends on the values of the picture, so its trunk cannot be cut off: the next "
            "picture may take another path. Give a model whose pictures all take one path."
        )


def _refuse_exported(network: Network, layer: Layer) -> None:
    """Raise `ModelError` for a graph that cannot be in evaluation mode, before the images are run."""
    try:
        Trunk(network.module, network.trace, layer.call, layer.name).eval()
    except NotImplementedError as error:
        raise ModelError(
            "The model is a graph that torch.export made, which cannot be put into evaluation mode. Give the nn.Module "
            "that was exported."
        ) from error


def _values(network: Network, layer: Layer, x: Tensor) -> Tensor:
    """Return a layer's values (N,C,h,w); what lies behind is not run."""
    call = network.trace.calls[layer.call]
    with torch.no_grad():
        return value_of_call(call.first, call.name, {}, lambda edits: network.run(x, edits), part=call.part)


def _fit(
    linear: nn.Linear, averages: Tensor, labels: Tensor, *, epochs: int, weight_decay: float, seed: int
) -> Iterator[int]:
    """Fit the layer, yielding after each pass; the last thing it does is to fold the standardisation in."""
    deviation, mean = torch.std_mean(averages, 0, correction=0)
    deviation = deviation.clamp_min(1e-6)
    standard = (averages - mean) / deviation
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.randn(linear.weight.shape, generator=generator, dtype=torch.float32) * 0.01).requires_grad_(True)
    bias = torch.zeros(linear.out_features, dtype=torch.float32, requires_grad=True)
    with torch.enable_grad():
        optimiser = torch.optim.LBFGS([weight, bias], max_iter=1, history_size=20, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            value = nn.functional.cross_entropy(standard @ weight.T + bias, labels)
            value = value + weight_decay * weight.square().sum()
            weight.grad, bias.grad = torch.autograd.grad(value, (weight, bias))
            return value.detach()

        before = float("inf")
        for epoch in range(epochs):
            value = float(optimiser.step(loss))  # type: ignore[no-untyped-call]
            yield epoch
            if before - value < 1e-7 * max(1.0, abs(value)):
                break  # it has converged
            before = value
    with torch.no_grad():
        linear.weight.copy_(weight / deviation)
        linear.bias.copy_(bias - (weight * (mean / deviation)).sum(1))

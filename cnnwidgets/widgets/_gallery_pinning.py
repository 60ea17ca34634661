"""Which neuron a NeuronGallery looks at: layer, channel, unit and the selected patch."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import traitlets
from torch import nn

from cnnwidgets.errors import LayerError, OptionError, nearest
from cnnwidgets.explain.twin import unwrap
from cnnwidgets.widgets._gallery_indexing import Indexing
from cnnwidgets.widgets._gallery_opening import opening_channel
from cnnwidgets.widgets._gallery_traits import KINDS, Looking
from cnnwidgets.widgets._traits import refusing
from cnnwidgets.widgets._unit import checked_channel, checked_unit

if TYPE_CHECKING:
    from cnnwidgets.patches.indexed_layer import IndexedLayer
    from cnnwidgets.patches.patch import Patch

_FORM = "Give a dict such as {'kind': 'top', 'rank': 0}, or None."


class Place(NamedTuple):
    """What is looked at, as the four traits say it."""

    layer: str
    channel: int | None
    unit: dict[str, Any] | None
    selection: dict[str, Any] | None


class Pinning(Looking, Indexing):
    """Keeps layer, channel, unit and selection of one mind, whichever was set, by whom, and in which thread.

    Traits are set without the view's lock, so that an observer may wait for the work. Before there is an index they
    are taken as they come, and checked when it is there.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._pinned = Place("", None, None, None)
        self._last: dict[str, int] = {}  # channel that was last looked at, by layer
        super().__init__(*args, **options)
        self.observe(self._on_place, names=list(Place._fields))

    # What is set, checked.

    def _found(self, value: Any) -> IndexedLayer:
        """Return the layer of the index that a name, an index into an nn.Sequential, a module or None means."""
        if self._known is None:
            raise LayerError("There is no index yet, so its layers are not known. gallery.wait() waits for it.")
        index = self._known.index
        return self._known.opening if value in (None, "") else index.layer(self._name_of(value))

    def _name_of(self, value: Any) -> str:
        """Return the name that a name, an index into an nn.Sequential or a module means."""
        if isinstance(value, str):
            return value
        model = unwrap(self.clf.model)
        module = value
        if isinstance(value, int) and not isinstance(value, bool) and isinstance(model, nn.Sequential):
            module = model[value] if -len(model) <= value < len(model) else None
        name: str | None = next((name for name, known in model.named_modules() if known is module), None)
        if name is None:
            raise LayerError(f"layer={value!r} is no layer of the model. gallery.index.layers lists those indexed.")
        return name

    @traitlets.validate("layer")
    def _layer(self, proposal: Any) -> str:
        value = proposal.value
        with refusing():
            if self._known is None:
                return "" if value is None else self._name_of(value)
            return self._found(value).name

    @traitlets.validate("channel")
    def _channel(self, proposal: Any) -> int | None:
        with refusing():
            if self._known is None:
                return plain_channel(proposal.value)
            return checked_channel(proposal.value, self._found(self.layer))

    @traitlets.validate("unit")
    def _unit(self, proposal: Any) -> dict[str, Any] | None:
        value = proposal.value
        if value is None:
            return None
        with refusing():
            if self._known is None:
                return _plain_unit(value)
            return checked_unit(value, self._found).packed()

    @traitlets.validate("selection")
    def _selection(self, proposal: Any) -> dict[str, Any] | None:
        value = proposal.value
        if value is None:
            return None
        with refusing():
            if not isinstance(value, dict) or value.get("kind") not in KINDS or "rank" not in value:
                raise OptionError(f"selection={value!r} is no patch. {_FORM}")
            layer = self._found(value.get("layer", self.layer))
            channel = checked_channel(value.get("channel", self.channel), layer)
            return selected(self._patch(layer, channel, value))

    def _patch(self, layer: IndexedLayer, channel: int | None, value: dict[str, Any]) -> Patch:
        if self._known is None or channel is None:
            raise OptionError(f"selection={value!r} names no channel. {_FORM}")
        patches = getattr(self._known.index, value["kind"])(layer, channel)
        try:
            rank = operator.index(value["rank"])
        except TypeError:
            rank = -1
        if not 0 <= rank < len(patches):
            raise OptionError(
                f"selection: rank={value['rank']!r}; channel {channel} of {layer.name!r} has {len(patches)} patches of "
                f"the kind {value['kind']!r}, 0 to {len(patches) - 1}."
            )
        return patches[rank]  # type: ignore[no-any-return]

    def _class_name(self, value: Any, what: str) -> str | None:
        """Return the name of a class of the index, or None."""
        if value is None:
            return None
        known = None if self._known is None else self._known.index.classes
        if not isinstance(value, str) or (known is not None and value not in known):
            near = nearest(value, known or ())
            raise OptionError(f"{what}={value!r} is no class of the pictures that were indexed.{near}")
        return value

    # What follows from it.

    def _on_place(self, _change: Any) -> None:
        now = Place(self.layer, self.channel, self.unit, self.selection)
        if now != self._pinned:
            self._put(_wished(now, self._pinned) if self._known is None else self._agreed(now, self._pinned))
        self._answer()  # before other observers hear of it: they may wait for the answer

    def _answer(self) -> None:
        """Show what is looked at."""
        raise NotImplementedError

    def _agreed(self, now: Place, before: Place) -> Place:
        """Return what four traits mean some of which have been changed."""
        if now.selection is not None and now.selection != before.selection:
            cell = {name: now.selection[name] for name in ("layer", "channel", "y", "x")}
            return Place(cell["layer"], cell["channel"], cell, now.selection)
        if now.unit is not None and now.unit != before.unit:
            chosen = before.selection
            fits = chosen is not None and all(chosen[name] == now.unit[name] for name in now.unit)
            return Place(now.unit["layer"], now.unit["channel"], now.unit, chosen if fits else None)
        layer, channel = self._found(now.layer), now.channel
        if layer.name != before.layer and channel == before.channel:  # that was a channel of the layer before
            channel = None
        if channel is None:
            channel = self._channel_of(layer)
        if (layer.name, channel) != (before.layer, before.channel):
            return Place(layer.name, channel, _bare(layer.name, channel), None)
        unit = now.unit if now.unit is None or now.selection is not None else _bare(layer.name, channel)
        return Place(layer.name, channel, unit, now.selection)

    def _channel_of(self, layer: IndexedLayer) -> int:
        """Return the channel of a layer that was last looked at, or the one to open on."""
        if layer.name in self._last:
            return self._last[layer.name]
        if self._known is None:
            raise AssertionError("the layer is one of the index")
        return opening_channel(self._known.index, layer)

    def _put(self, place: Place) -> None:
        """Set the four traits, so that observers find them in agreement."""
        before, self._pinned = self._pinned, place
        if place.channel is not None:
            self._last[place.layer] = place.channel
        with self.hold_sync(), self.hold_trait_notifications():
            self.layer, self.channel, self.unit, self.selection = place
        if place.selection != before.selection:
            self._pick(None if place.selection is None else place.selection["image"])

    def _pick(self, image: int | None) -> None:
        """Have the picture read that was selected, or none."""
        raise NotImplementedError

    def _refit(self) -> None:
        """Keep what was looked at as far as the index has it, and say what it has not."""
        now, words = Place(self.layer, self.channel, self.unit, self.selection), ""
        try:
            place = self._fitting(now)
        except (LayerError, OptionError) as error:
            words, place = str(error), self._fitting(Place("", None, None, None))
        self._put(place)
        if words:
            self._note(words)

    def _fitting(self, now: Place) -> Place:
        layer = self._found(now.layer if now.unit is None else now.unit["layer"])
        wished = checked_channel(now.channel if now.unit is None else now.unit["channel"], layer)
        channel = self._channel_of(layer) if wished is None else wished
        unit = _bare(layer.name, channel) if now.unit is None else checked_unit(now.unit, self._found).packed()
        chosen = now.selection
        if chosen is not None and selected(self._patch(layer, channel, chosen)) != chosen:
            chosen = None  # another data set's
        return Place(layer.name, channel, unit, chosen)


def selected(patch: Patch) -> dict[str, Any]:
    """Return a patch as the trait `selection` holds it."""
    return {"kind": patch.kind, "rank": patch.rank, "image": patch.image, "source": patch.source, **patch.unit}


def _wished(now: Place, before: Place) -> Place:
    """Return what is to be looked at once there is an index."""
    if now.unit is not None and now.unit != before.unit:
        return Place(now.unit["layer"], now.unit["channel"], now.unit, None)
    return Place(now.layer, now.channel, None, None)


def _bare(layer: str, channel: int) -> dict[str, Any]:
    return {"layer": layer, "channel": channel, "y": None, "x": None}


def plain_channel(value: Any, what: str = "channel") -> int | None:
    """Return a number that may be that of a channel: which ones there are is not known yet."""
    if value is None:
        return None
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise OptionError(f"{what}={value!r}: give the number of a channel, 0 or more.")
    return number


def _plain_unit(value: Any) -> dict[str, Any]:
    """Return what may be a unit."""
    if not isinstance(value, dict) or not isinstance(value.get("layer"), str) or value.get("channel") is None:
        raise OptionError(f"unit={value!r} is no unit. Give a dict such as {{'layer': 'layer4', 'channel': 12}}.")
    return {"y": None, "x": None, **value, "channel": plain_channel(value["channel"])}

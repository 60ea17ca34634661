"""What all widgets share: the bundle, strict keywords, and a picture for pages without a kernel."""

from __future__ import annotations

import base64
import functools
import io
import os
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import ipywidgets
import traitlets
from PIL import Image

from cnnwidgets.errors import MissingDataError, refuse_unknown
from cnnwidgets.text import sentence
from cnnwidgets.widgets._page import FromPage

_STATIC = Path(__file__).parent.parent / "static"
_STILL_SIDE = 560  # pixels: the picture is stored in the notebook
_HOT = os.environ.get("ANYWIDGET_HMR") == "1"
_WAIT = 2.0  # seconds that displaying waits for the first picture


class Base(FromPage):
    """What every widget is, whoever draws it: strict with keywords and page, and a picture where no kernel runs."""

    _options: ClassVar[tuple[str, ...]] = ()
    _own_layout: ipywidgets.Layout | None = None  # that was made for this widget alone

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(options.get("layout"), ipywidgets.Widget):
            self._own_layout = self.layout

    def close(self) -> None:
        """Leave the page, with the layout that was made for this widget."""
        super().close()
        if self._own_layout is not None:
            self._own_layout.close()

    def _refuse_unknown(self, options: dict[str, Any]) -> None:
        refuse_unknown(type(self).__name__, options, [*self._options, "layout"])

    def snapshot(self) -> Image.Image:
        """Return what the widget shows as a PIL picture."""
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the work in the background."""
        raise NotImplementedError

    def _described(self) -> str:
        """Return in a sentence what the still picture shows."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add a still picture to what Jupyter stores, so that GitHub, nbviewer and exports show one."""
        self._settle(_WAIT)
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if data is None:
            return bundle
        still = self.snapshot()
        still.thumbnail((_STILL_SIDE, _STILL_SIDE))
        text = sentence(self._described(), 1000)
        data = {
            **data,
            "image/png": base64.b64encode(_png(still)).decode(),
            "text/html": _html(still, text),
            "text/plain": text,
        }
        return data, {**metadata, "image/png": {"width": still.width, "height": still.height}}

    def _settle(self, seconds: float) -> None:
        """Give the work in the background a moment, so that the still picture shows its result."""
        raise NotImplementedError


class Widget(Base, anywidget.AnyWidget):
    """A widget whose front end is a bundle of its own in `cnnwidgets/static`.

    Every widget on a page brings its bundle along, so none holds what only others need.
    """

    _bundle: ClassVar[str] = ""  # the entry in js/src/widgets

    _esm: Any = traitlets.Unicode().tag(sync=True)
    _css: Any = traitlets.Unicode().tag(sync=True)

    def __init_subclass__(cls, **options: Any) -> None:
        """Have anywidget watch the files where somebody works on the front end.

        It keeps every widget alive for that as long as Python runs, so otherwise it is given text, and by traits of
        our own: an export drops what is a default of anywidget's.
        """
        if _HOT and "_bundle" in cls.__dict__:
            cls._esm, cls._css = _STATIC / f"{cls._bundle}.js", _STATIC / f"{cls._bundle}.css"
        super().__init_subclass__(**options)

    @traitlets.default("_esm")
    def _default_esm(self) -> str:
        return _built(f"{self._bundle}.js")

    @traitlets.default("_css")
    def _default_css(self) -> str:
        return _built(f"{self._bundle}.css")

    def __init__(self, **options: Any) -> None:
        self._refuse_unknown(options)
        super().__init__(**options)


@functools.cache
def _built(name: str) -> str:
    path = _STATIC / name
    if not path.is_file():
        raise MissingDataError(f"The front end is not built: {path} is missing. In a checkout, `make lab` builds it.")
    return path.read_text("utf-8")


def _png(still: Image.Image) -> bytes:
    """Return a PNG of 256 colours: a third of the bytes, and the notebook is kept in version control."""
    rgb = still.convert("RGB")
    file = io.BytesIO()
    rgb.quantize(palette=rgb.quantize(256, method=Image.Quantize.FASTOCTREE), dither=Image.Dither.FLOYDSTEINBERG).save(
        file, "PNG", optimize=True
    )
    return file.getvalue()


def _html(still: Image.Image, text: str) -> str:
    from html import escape

    file = io.BytesIO()
    still.save(file, "JPEG", quality=85)
    encoded = base64.b64encode(file.getvalue()).decode()
    return (
        f'<figure style="margin:0"><img src="data:image/jpeg;base64,{encoded}" alt="{escape(text, quote=True)}" '
        f'width="{still.width}" height="{still.height}"><figcaption>{escape(text)}</figcaption></figure>'
    )

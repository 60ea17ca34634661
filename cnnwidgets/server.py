"""Send a kernel's small answers to the browser at once: an optional extension of Jupyter's server.

An answer to a widget is several small messages in a row. Jupyter's server leaves Nagle's algorithm on, so all but the
first wait until the browser acknowledges it, which TCP puts off for about 40 ms (RFC 896, RFC 1122 section 4.2.3.2).
This extension sets TCP_NODELAY on the kernels' websockets and does nothing else. Turn it on with

    jupyter server extension enable --sys-prefix cnnwidgets.server
"""

from __future__ import annotations

import functools
import logging
from typing import Any

_LOG = logging.getLogger(__name__)
_MARK = "_cnnwidgets_sends_at_once"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "cnnwidgets.server"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    try:
        from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

        send_at_once(KernelWebsocketHandler)
    except (ImportError, AttributeError) as error:
        server_app.log.warning("cnnwidgets: this server's kernel websockets stay as they are: %s", error)
    else:
        server_app.log.info("cnnwidgets: kernels' answers are sent at once (TCP_NODELAY).")


def send_at_once(handler: type[Any]) -> None:
    """Have every websocket that a handler opens from now on send small messages without delay.

    Args:
        handler: a subclass of `tornado.websocket.WebSocketHandler`. Its `open` is wrapped, once.

    Raises:
        AttributeError: the class has no `open` or no `set_nodelay`.

    """
    opened = handler.open
    _ = handler.set_nodelay
    if getattr(opened, _MARK, False):
        return

    @functools.wraps(opened)
    def open_without_delay(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            self.set_nodelay(True)  # tornado leaves sockets that know no TCP alone
        except Exception as error:  # noqa: BLE001 - a slower websocket is better than none
            _LOG.warning("TCP_NODELAY could not be set: %s", error)
        return opened(self, *args, **kwargs)

    setattr(open_without_delay, _MARK, True)
    handler.open = open_without_delay

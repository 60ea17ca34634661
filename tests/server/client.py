"""The client's end of a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado.websocket import WebSocketClientConnection


async def close(client: WebSocketClientConnection) -> None:
    """Close a websocket and wait until it is: a socket that is left to the garbage collector fails a later test."""
    client.close()
    while await client.read_message() is not None:
        pass

"""A server extension for tests: GET /nodelay tells of every open kernel websocket whether TCP_NODELAY is set."""

from __future__ import annotations

import gc
import socket

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.web import RequestHandler


def nodelay(handler) -> bool:
    return bool(handler.ws_connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


class Witness(RequestHandler):
    def get(self):
        found = [each for each in gc.get_objects() if isinstance(each, KernelWebsocketHandler)]
        self.write({"nodelay": [nodelay(each) for each in found if each.ws_connection is not None]})


def _jupyter_server_extension_points():
    return [{"module": "tests.server.witness"}]


def _load_jupyter_server_extension(server_app):
    server_app.web_app.add_handlers(".*$", [(server_app.base_url + "nodelay", Witness)])

"""The server extension: light, applied once, and harmless where the server is another one than expected."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from cnnwidgets import server
from tests.server.client import close
from tools.frontend import ROOT


def make_handler(opened: list):
    """Return a new class of websockets, which notes for each connection whether TCP_NODELAY was set at `open`."""

    class Handler(WebSocketHandler):
        async def open(self, word):
            await asyncio.sleep(0)
            sock = self.ws_connection.stream.socket
            opened.append((word, bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))))
            await self.write_message(f"open {word}")

    return Handler


def connect(handler) -> str:
    """Open one connection to a server with this handler; return its first message."""

    async def talk():
        sock, port = bind_unused_port()
        http = HTTPServer(Application([(r"/(\w+)", handler)]))
        http.add_socket(sock)
        client = await websocket_connect(f"ws://127.0.0.1:{port}/word")
        answer = await client.read_message()
        await close(client)
        http.stop()
        await http.close_all_connections()
        return answer

    return asyncio.run(asyncio.wait_for(talk(), 20))


def test_the_socket_option_is_set_when_the_handler_opens():
    opened = []
    handler = make_handler(opened)
    connect(handler)
    server.send_at_once(handler)
    assert connect(handler) == "open word"
    assert opened == [("word", False), ("word", True)]


def test_it_is_applied_once():
    handler = make_handler([])
    server.send_at_once(handler)
    wrapped = handler.open
    server.send_at_once(handler)
    assert handler.open is wrapped


def test_a_socket_that_refuses_opens_all_the_same(caplog):
    opened = []
    handler = make_handler(opened)

    def refuse(self, value):
        raise OSError("no such option")

    handler.set_nodelay = refuse
    server.send_at_once(handler)
    with caplog.at_level(logging.WARNING):
        assert connect(handler) == "open word"
    assert opened == [("word", False)]
    assert "no such option" in caplog.text


def load_into(monkeypatch, handlers) -> list[tuple[str, str]]:
    """Load the extension into a server whose module of websockets is `handlers`; return what it logs."""
    monkeypatch.setitem(sys.modules, "jupyter_server.services.kernels.websocket", handlers)
    said = []
    log = SimpleNamespace(
        info=lambda text, *args: said.append(("info", text % args)),
        warning=lambda text, *args: said.append(("warning", text % args)),
    )
    server._load_jupyter_server_extension(SimpleNamespace(log=log))
    return said


def test_it_finds_the_server_of_this_environment():
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

    assert callable(KernelWebsocketHandler.set_nodelay)
    assert asyncio.iscoroutinefunction(KernelWebsocketHandler.open)


def test_it_wraps_the_handler_of_the_server(monkeypatch):
    handler = make_handler([])
    said = load_into(monkeypatch, SimpleNamespace(KernelWebsocketHandler=handler))
    assert hasattr(handler.open, "__wrapped__")
    assert said == [("info", "cnnwidgets: kernels' answers are sent at once (TCP_NODELAY).")]


@pytest.mark.parametrize("other", [None, SimpleNamespace(), SimpleNamespace(KernelWebsocketHandler=object)])
def test_another_server_is_left_as_it_is_with_one_line(monkeypatch, other):
    said = load_into(monkeypatch, other)
    assert [level for level, _ in said] == ["warning"]
    assert "stay as they are" in said[0][1]


def test_it_imports_nothing_heavy():
    code = "import cnnwidgets.server, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torch", "numpy", "PIL", "ipywidgets", "jupyter_server", "tornado"} & set(done.stdout.split())


def test_the_one_line_for_administrators(tmp_path):
    """The wheel's listing says "off"; `jupyter server extension enable` finds it there and turns it on."""
    listed = tmp_path / "config" / "jupyter_server_config.d" / "cnnwidgets.server.json"
    listed.parent.mkdir(parents=True)
    shutil.copy(ROOT / "jupyter-config" / listed.name, listed)
    command = [
        sys.executable,
        "-m",
        "jupyter_server.extension.serverextension",
        "enable",
        "--user",
        "cnnwidgets.server",
    ]
    env = os.environ | {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK" in done.stdout + done.stderr
    assert json.loads(listed.read_text()) == {"ServerApp": {"jpserver_extensions": {"cnnwidgets.server": True}}}

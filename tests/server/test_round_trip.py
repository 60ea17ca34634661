"""A real Jupyter server and kernel on loopback, with the extension and without: the socket option, and the time."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import urllib.request
import uuid

import pytest
from tornado.websocket import websocket_connect

from tests.browser.server import JupyterServer
from tests.server.client import close
from tools.frontend import ROOT

BARE = ("--ServerApp.jpserver_extensions=tests.server.witness=True", "--ServerApp.disable_check_xsrf=True")
EXTENSION = "--ServerApp.jpserver_extensions=cnnwidgets.server=True"
# A widget's kernel side: each message from the browser is answered by one.
ECHO = """
from comm import create_comm
echo = create_comm(target_name="echo", comm_id="echo")
echo.on_msg(lambda message: echo.send(message["content"]["data"]))
"""


class Kernel:
    """A kernel's websocket, spoken to as a page does."""

    def __init__(self, socket) -> None:
        self.socket = socket
        self.session = uuid.uuid4().hex

    async def send(self, channel: str, kind: str, content: dict) -> str:
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "session": self.session, "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        await self.socket.write_message(json.dumps(message))
        return number

    async def answer(self, number: str, kind: str) -> dict:
        """Return the first message of a kind that answers a message."""
        while True:
            message = json.loads(await self.socket.read_message())
            if message["parent_header"].get("msg_id") == number and message["header"]["msg_type"] == kind:
                return message["content"]

    async def round_trip(self, number: int) -> float:
        """Return the milliseconds from a widget's message to the kernel's answer to it, once the kernel rests."""
        began = time.perf_counter()
        sent = await self.send("shell", "comm_msg", {"comm_id": "echo", "data": {"number": number}})
        answer = await self.answer(sent, "comm_msg")
        took = 1000 * (time.perf_counter() - began)
        assert answer["data"] == {"number": number}
        return took


def request(server, path, **options):
    with urllib.request.urlopen(urllib.request.Request(server.url + path, **options), timeout=60) as answer:
        return json.loads(answer.read())


async def talk(server, count):
    """Return whether the kernel's websocket has TCP_NODELAY, and the milliseconds of `count` round trips."""
    kernel_id = request(server, "/api/kernels", data=b"{}", method="POST")["id"]
    socket = await websocket_connect(f"{server.url.replace('http', 'ws')}/api/kernels/{kernel_id}/channels")
    kernel = Kernel(socket)
    run = {"code": ECHO, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    reply = await kernel.answer(await kernel.send("shell", "execute_request", run), "execute_reply")
    assert reply["status"] == "ok", reply
    times = [await kernel.round_trip(number) for number in range(count + 5)][5:]
    found = await asyncio.to_thread(request, server, "/nodelay")
    await close(socket)
    return found["nodelay"], times


@pytest.mark.parametrize(("options", "expected"), [((), False), ((EXTENSION,), True)], ids=["without", "with"])
def test_round_trip(tmp_path, monkeypatch, options, expected):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the witness
    server = JupyterServer.start("server", tmp_path, *BARE, *options)
    try:
        nodelay, times = asyncio.run(asyncio.wait_for(talk(server, 50), 120))
    finally:
        server.stop()
    word = "with" if expected else "without"
    spread = f"{statistics.median(times):.1f} ms median, {min(times):.1f} to {max(times):.1f} ms"
    print(f"\nsmall round trip to a kernel {word} TCP_NODELAY: {spread}")
    assert nodelay == [expected]

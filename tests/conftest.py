"""What holds for every test: no network, no cached weights, no display."""

from __future__ import annotations

import os
import socket

os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_WAIT_POLICY"] = "passive"  # before torch is imported: threads that spin starve the browser tests
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # the processes share the cores: threads of each would only wait for the others

import pytest

_connect = socket.socket.connect
_getaddrinfo = socket.getaddrinfo
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _connect_on_loopback(sock: socket.socket, address):
    if sock.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
        raise ConnectionRefusedError(f"tests run offline: connecting to {address[0]} is refused")
    return _connect(sock, address)


def _getaddrinfo_on_loopback(host, *args, **kwargs):
    if host is not None and host not in LOOPBACK:
        raise socket.gaierror(socket.EAI_NONAME, f"tests run offline: looking up {host} is refused")
    return _getaddrinfo(host, *args, **kwargs)


@pytest.fixture(autouse=True, scope="session")
def offline(tmp_path_factory):
    """Refuse every connection that leaves the machine; hide downloaded weights and the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect_on_loopback)
        patch.setattr(socket, "getaddrinfo", _getaddrinfo_on_loopback)
        empty = tmp_path_factory.mktemp("no_weights")
        patch.setenv("TORCH_HOME", str(empty / "torch"))
        patch.setenv("HF_HOME", str(empty / "huggingface"))
        patch.setenv("CNNWIDGETS_CACHE", str(empty / "cache"))  # processes that tests start inherit it
        yield

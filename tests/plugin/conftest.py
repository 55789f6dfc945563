from __future__ import annotations

import socket

import pytest
from flask import Flask

from ..hosts import Host


@pytest.fixture
def app(host: Host) -> Flask:
    """The host's app as a host's own suite would have it; nobody listens at its API_BASE."""
    host.load_packages()
    return host.app


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whoever looks a name up or listens; PostgreSQL's driver does neither in Python."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("create_connection", "create_server", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)

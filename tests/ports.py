"""Ports for servers that bind them themselves, a moment later."""

from __future__ import annotations

import itertools
import os
import socket

# The kernel gives these to no connection by itself (net.ipv4.ip_local_port_range), and each worker
# begins elsewhere: between here and the server's bind, nobody takes one by chance.
_FIRST, _COUNT = 10_000, 22_000
_numbers = itertools.count(os.getpid() * 100)


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens, another one at every call."""
    while True:
        port = _FIRST + next(_numbers) % _COUNT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port

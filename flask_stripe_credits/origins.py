"""Origins of web addresses: scheme, host and port, read so strictly that no two readers differ."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\Z")
_IPV6 = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*\Z")


def origin_of(url: str) -> str | None:
    """Return ``scheme://host[:port]`` of a clean http(s) URL, or None.

    http is clean only for loopback hosts. No user info, no escapes, no odd characters.
    """
    if not re.fullmatch(r"[\x21-\x7e]{1,2000}", url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if (
        not host
        or port == 0
        or "@" in parts.netloc
        or "%" in parts.netloc
        or parts.netloc.endswith(":")
    ):
        return None
    bracketed = parts.netloc.startswith("[")
    if not (_IPV6 if bracketed else _HOST_NAME).match(host):
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK_HOSTS):
        return None
    if not url.startswith(f"{parts.scheme}://{parts.netloc}"):
        return None
    shown = f"[{host}]" if bracketed else host
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown}" + ("" if port in (None, default) else f":{port}")

"""Read a request's body with a limit, whatever the host's settings are."""

from __future__ import annotations

from typing import IO, Any

from flask import Request, request
from werkzeug.exceptions import BadRequest
from werkzeug.wsgi import get_input_stream

from ..errors import PayloadTooLarge
from ..logs import Log

log: Log = Log(__name__)


def read_body(limit: int) -> bytes:
    """Return the raw body, at most ``limit`` bytes.

    :raises PayloadTooLarge: when it is longer, also when its length isn't announced.
    :raises werkzeug.exceptions.BadRequest: when the host has already taken it apart.
    """
    proxy: Any = request
    # The request itself: the proxy looks for it at every use.
    current: Request = proxy._get_current_object()
    length = current.content_length
    if length is not None and length > limit:
        raise PayloadTooLarge(f"the body is {length} bytes long, {limit} are allowed")
    data = _read(current, limit + 1)
    if len(data) > limit:
        raise PayloadTooLarge(f"the body is longer than {limit} bytes")
    if length and not data:
        log.error(
            "body_taken",
            "the body of %s was read before us: a before_request function that uses "
            "request.form or request.stream must leave out this path",
            current.path,
        )
        raise BadRequest("the body was read before us")
    return data


def _read(current: Request, limit: int) -> bytes:
    try:
        # The host's own limit is for its own forms.
        current.max_content_length = limit
    except AttributeError:
        # Before Flask 3.1 only the app has a limit.
        if "stream" not in vars(current):
            return _read_chunks(get_input_stream(current.environ), limit)
    # What a before_request of the host's has read with get_data() or get_json() is cached.
    return current.get_data()


def _read_chunks(stream: IO[bytes], limit: int) -> bytes:
    """Read ``limit`` bytes at most; each call of ``read`` may return less than it could."""
    data = b""
    while len(data) < limit and (chunk := stream.read(limit - len(data))):
        data += chunk
    return data

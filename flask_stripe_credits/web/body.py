"""Read a request's body with a limit, whatever the host's settings are."""

from __future__ import annotations

from contextlib import suppress
from typing import IO

from flask import request
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
    length = request.content_length
    if length is not None and length > limit:
        raise PayloadTooLarge(f"the body is {length} bytes long, {limit} are allowed")
    data = _read(limit + 1)
    if len(data) > limit:
        raise PayloadTooLarge(f"the body is longer than {limit} bytes")
    if length and not data:
        log.error(
            "body_taken",
            "the body of %s was read before us: a before_request function that uses "
            "request.form or request.stream must leave out this path",
            request.path,
        )
        raise BadRequest("the body was read before us")
    return data


def _read(limit: int) -> bytes:
    # The host's own limit is for its own forms.
    with suppress(AttributeError):
        request.max_content_length = limit
    # What a before_request of the host's has read with get_data() or get_json() is cached.
    if request.max_content_length == limit or "stream" in vars(request):
        return request.get_data()
    # Before Flask 3.1 only the app has a limit.
    return _read_chunks(get_input_stream(request.environ), limit)


def _read_chunks(stream: IO[bytes], limit: int) -> bytes:
    """Read ``limit`` bytes at most; each call of ``read`` may return less than it could."""
    data = b""
    while len(data) < limit and (chunk := stream.read(limit - len(data))):
        data += chunk
    return data

"""The stylesheet and scripts: kept for a year, under addresses that change with them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from flask import request, url_for
from werkzeug.wrappers import Response

from ...static_files import send_static

FOLDER = Path(__file__).with_name("static")
YEAR_SECONDS = 365 * 24 * 3600


def asset_url(filename: str) -> str:
    """Return the address of a file in ``static/``, with a hash of what is in it."""
    return url_for("stripe_credits_pages.asset", filename=filename, v=_fingerprint(filename))


def asset(filename: str) -> Response:
    """A file of ours. What is asked for by its hash may be kept for ever."""
    answer = send_static(FOLDER, filename)
    if request.args.get("v") == _fingerprint(filename):
        answer.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
    else:
        answer.headers["Cache-Control"] = "no-cache"
    return answer


@functools.cache
def _fingerprint(filename: str) -> str:
    return hashlib.sha256((FOLDER / filename).read_bytes()).hexdigest()[:16]

"""Static files, answered from memory.

Werkzeug's server doesn't close the file of an answer whose client has gone away, which warns of an
open file wherever the garbage happens to be collected. Here none is open by then.
"""

from __future__ import annotations

import hashlib
from functools import partial
from io import BytesIO
from pathlib import Path

from flask import Blueprint, send_file
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join
from werkzeug.wrappers import Response


def send_static(folder: Path, filename: str) -> Response:
    """Answer with a file below ``folder``, or with a part of it or 304 where that is asked for.

    :raises NotFound: when it is none.
    """
    path = safe_join(str(folder), filename)
    if path is None or not Path(path).is_file():
        raise NotFound()
    content = Path(path).read_bytes()
    etag = hashlib.sha256(content).hexdigest()
    return send_file(BytesIO(content), download_name=Path(path).name, etag=etag)


def add_static(blueprint: Blueprint, folder: Path, url_path: str) -> None:
    """Serve the files of ``folder`` below ``url_path``, for ``url_for(".static", filename=…)``."""
    blueprint.add_url_rule(
        f"{url_path}/<path:filename>", endpoint="static", view_func=partial(send_static, folder)
    )

"""Operators only: every page of the dashboard is called from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, Unauthorized

from ....state import current_state
from ...administrators import require_administrator
from ..form_tokens import check_token
from ..visitors import visitor


def for_administrators(
    view: Callable[..., ResponseReturnValue], values: Mapping[str, Any]
) -> ResponseReturnValue:
    """Call ``view`` for an administrator, with who acts and the values of the address' path.

    What a form sends is taken with a token of our own only.
    """
    visitor()
    actor = require_administrator(current_state())
    if request.method == "POST":
        check_token()
    return view(actor=actor, **values)


def is_administrator() -> bool:
    """Whether the reader may open the dashboard, for links to it."""
    try:
        require_administrator(current_state())
    except (Forbidden, Unauthorized):
        return False
    return True

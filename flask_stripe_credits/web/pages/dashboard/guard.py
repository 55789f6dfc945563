"""Operators only: every page of the dashboard goes through here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, Unauthorized

from ....state import current_state
from ...administrators import require_administrator
from ..form_tokens import check_token
from ..visitors import visitor

PATH = "/dashboard"


def add_page(
    pages: Blueprint, path: str, name: str, view: Callable[..., Any], *methods: str
) -> None:
    """Add a page below the dashboard's address: for administrators, forms by our own token only.

    :param view: gets ``actor``, for the audit log, beside the values of the path.
    """

    @functools.wraps(view)
    def guarded(**values: Any) -> ResponseReturnValue:
        visitor()
        actor = require_administrator(current_state())
        if request.method == "POST":
            check_token()
        answer: ResponseReturnValue = view(actor=actor, **values)
        return answer

    pages.add_url_rule(
        PATH + path,
        endpoint=f"dashboard_{name}" if name else "dashboard",
        view_func=guarded,
        methods=methods,
    )


def is_administrator() -> bool:
    """Whether the reader may open the dashboard, for links to it."""
    try:
        require_administrator(current_state())
    except (Forbidden, Unauthorized):
        return False
    return True

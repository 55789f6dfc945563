"""Who may come in: every view of the administrators' is called from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response

from ...state import current_state
from ..administrators import require_administrator
from ..json_exchange import query_of
from . import schemas

_no_parameters = schemas.NothingSchema()


def for_administrators(
    view: Callable[..., Response], values: Mapping[str, Any], *, has_parameters: bool
) -> Response:
    """Call ``view`` with the app's state, who acts, and the values of the address' path.

    :param has_parameters: whether it reads parameters of the address; others have none.
    :raises werkzeug.exceptions.Unauthorized: nobody is signed in.
    :raises NotAdministrator: somebody is, and is no administrator.
    :raises marshmallow.ValidationError: there is a parameter that the view doesn't read.
    """
    state = current_state()
    actor = require_administrator(state)
    if not has_parameters:
        query_of(_no_parameters)
    return view(state, actor, **values)

"""Who may see and change other people's purchases: the host decides, nobody by default."""

from __future__ import annotations

from werkzeug.exceptions import Forbidden

from ..logs import Log
from ..state import AppState
from .identity import current_user_id

log: Log = Log(__name__)


class NotAdministrator(Forbidden):
    """The signed-in user isn't an administrator, or the host has no ``admin_check``."""

    ours = True
    problem_code = "not_administrator"
    description: str = "Only administrators may do this."


def require_administrator(state: AppState) -> str:
    """Return who acts, for the audit log: the id of the signed-in user, an administrator.

    The host's ``@credits.admin_check`` has to return True: everything else, and the lack of one,
    is a no. It isn't asked while nobody is signed in.

    :raises werkzeug.exceptions.Unauthorized: nobody is signed in.
    :raises NotAdministrator: somebody is, and is no administrator.
    """
    actor = current_user_id(state)
    check = state.callbacks.admin_check
    if check is None:
        raise NotAdministrator
    answer = check()
    if answer is not True:
        # A user object or a text is "true" to Python, and may come from `a and b`.
        if answer:
            log.error(
                "admin_check_unclear",
                "admin_check returned %s: only True makes an administrator",
                type(answer).__name__,
            )
        raise NotAdministrator
    return actor

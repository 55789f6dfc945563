"""From news to letters: who gets one, whether they want it, and who carries it."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

from ..delivery import apart
from ..errors import MailFailed
from ..logs import Log
from ..snapshots import GrantSnapshot, PurchaseSnapshot
from ..state import AppState, state_of
from .installing import KEY
from .letters import Kind, Letter, is_address, kind_of, write
from .postman import Postman
from .sending import import_library, send

log: Log = Log(__name__)


def wait_until_sent(app: Flask, timeout_seconds: float = 10.0) -> bool:
    """Wait until no mail of this process waits to be sent; return whether that came in time.

    For tests, and for scripts that end right after a purchase.
    """
    postman = app.extensions.get(KEY, {}).get(os.getpid())
    return True if postman is None else bool(postman.wait(timeout_seconds))


def tell_of_grant(app: Flask, purchase: PurchaseSnapshot, grant: GrantSnapshot, **_: Any) -> None:
    """Write to the buyer about a grant."""
    _post(app, kind_of(grant), purchase, grant)


def tell_of_failure(app: Flask, purchase: PurchaseSnapshot, **_: Any) -> None:
    """Write to the buyer about a payment that failed."""
    # An operator's dismissal ends here as well, and then money may have been paid.
    if purchase.review_reason is None and purchase.amount_paid is None:
        _post(app, Kind.FAILED, purchase, None)


def _post(app: Flask, kind: Kind, purchase: PurchaseSnapshot, grant: GrantSnapshot | None) -> None:
    """Write a letter and hand it on. Never raises: the purchase is committed, whatever happens."""
    state = state_of(app)
    about = {"purchase_id": purchase.id, "user_id": purchase.user_id}
    try:
        with apart(state, app):
            letter = _letter(state, kind, purchase, grant)
            if letter is None:
                return
            if state.callbacks.mail_sender is not None:
                state.callbacks.mail_sender(letter)
                return
    except Exception:
        log.exception("mail_failed", "the %s mail could not be written", kind, **about)
        return
    if not _postman(app).take(letter):
        log.error("mail_dropped", "the %s mail was not sent: too many wait already", kind, **about)


def _letter(
    state: AppState, kind: Kind, purchase: PurchaseSnapshot, grant: GrantSnapshot | None
) -> Letter | None:
    callbacks, user_id = state.callbacks, purchase.user_id
    about = {"purchase_id": purchase.id, "user_id": user_id}
    if callbacks.mail_opt_out is not None and callbacks.mail_opt_out(user_id, kind.value):
        return None
    if callbacks.user_email_loader is None:
        log.error(
            "mail_address_missing",
            "no mail is sent: say with @credits.user_email_loader what a user's address is",
            **about,
        )
        return None
    to = callbacks.user_email_loader(user_id)
    if to is None:
        return None
    if not is_address(to):
        log.error(
            "mail_address_unusable",
            "the %s mail was not sent: the user_email_loader gave no plain address",
            kind,
            **about,
        )
        return None
    return write(state, kind, to, purchase, grant)


def _postman(app: Flask) -> Postman:
    """This process' own: a thread doesn't live on in a forked worker."""
    postmen: dict[int, Postman] = app.extensions[KEY]
    pid = os.getpid()
    if pid not in postmen:
        import_library()
        postmen.setdefault(pid, Postman(lambda letter: _carry(app, letter)))
    return postmen[pid]


def _carry(app: Flask, letter: Letter) -> None:
    about = {"purchase_id": letter.purchase_id, "user_id": letter.user_id}
    try:
        with app.app_context():
            send(letter)
    except Exception as error:  # noqa: BLE001 - the next letter has to be carried
        # The text of anybody else's exception may be the letter's.
        why = error if isinstance(error, MailFailed) else type(error).__name__
        log.error("mail_failed", "the %s mail was not sent: %s", letter.kind, why, **about)
    else:
        log.info("mail_sent", "sent the %s mail", letter.kind, **about)

"""Switch mail on for an app. What writes and sends it is imported at the first letter."""

from __future__ import annotations

from importlib.util import find_spec

from flask import Blueprint, Flask

from ..deferred import Deferred
from ..logs import Log
from ..signals import grant_committed, purchase_failed

log: Log = Log(__name__)

KEY = "stripe_credits_mail"

_tell_of_grant = Deferred(__package__, "office:tell_of_grant")
_tell_of_failure = Deferred(__package__, "office:tell_of_failure")


def install(app: Flask) -> None:
    """Have mail sent for ``app``: connects to the signals, and adds the templates."""
    if find_spec("flask_mailman") is None:
        log.critical(
            "mail_unusable",
            "STRIPE_CREDITS_MAIL is on and Flask-Mailman isn't installed: no mail is sent unless "
            "@credits.mail_sender takes it. Run pip install 'flask-stripe-credits[mail]'",
        )
    # Each process' postman, by its number.
    app.extensions[KEY] = {}
    app.register_blueprint(Blueprint(KEY, __name__, template_folder="templates"))
    grant_committed.connect(_tell_of_grant, sender=app)
    purchase_failed.connect(_tell_of_failure, sender=app)

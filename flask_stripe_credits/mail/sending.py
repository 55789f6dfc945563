"""Hand a letter to the host's mail server, by Flask-Mailman."""

from __future__ import annotations

import contextlib
import re
from importlib import import_module
from typing import Any

from flask import current_app

from ..errors import MailFailed
from .letters import Letter

# Flask-Mailman's own default is to wait for ever.
TIMEOUT_SECONDS = 10.0

_REPLY_CODE = re.compile(r"[0-9]{3}\Z")


def send(letter: Letter) -> None:
    """Send a letter now, with the app's ``MAIL_…`` settings. Needs an app context.

    For a task queue that was given letters by ``@credits.mail_sender``. Each call sends one.

    :raises MailFailed: the mail server didn't take it, or there is no Flask-Mailman.
    """
    try:
        from flask_mailman import EmailMultiAlternatives
    except ImportError:
        raise MailFailed(
            "Flask-Mailman isn't installed: pip install 'flask-stripe-credits[mail]'"
        ) from None
    try:
        with contextlib.closing(_connection()) as connection:
            message = EmailMultiAlternatives(
                letter.subject,
                letter.text,
                to=[letter.to],
                headers={
                    "Message-ID": letter.message_id,
                    # No “I'm on holiday” in answer: https://www.rfc-editor.org/rfc/rfc3834
                    "Auto-Submitted": "auto-generated",
                },
                connection=connection,
            )
            message.attach_alternative(letter.html, "text/html")
            message.send()
    except Exception as error:  # noqa: BLE001 - of a library, a backend of the host's, a server
        # What is raised there may tell the address, or all of the letter.
        raise MailFailed(f"the mail server didn't take it: {_named(error)}") from None


def import_library() -> None:
    """Import Flask-Mailman, where it is installed, before a thread does.

    A process that forks while a thread imports it leaves the child with half of it, for good.
    """
    with contextlib.suppress(ImportError):
        import_module("flask_mailman.backends.smtp")


def _connection() -> Any:
    """A connection that is closed whatever happens; Flask-Mailman forgets to after an error."""
    from flask_mailman import Mail

    mailman = current_app.extensions.get("mailman") or Mail().init_app(current_app)
    if mailman.backend == "smtp" and mailman.timeout is None:
        return mailman.get_connection(timeout=TIMEOUT_SECONDS)
    return mailman.get_connection()


def _named(error: Exception) -> str:
    import smtplib

    code = getattr(error, "smtp_code", None)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next((code for code, _ in error.recipients.values()), None)
    name = type(error).__name__
    return f"{name} {code}" if _REPLY_CODE.match(str(code)) else name

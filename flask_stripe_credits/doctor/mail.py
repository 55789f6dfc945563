"""Whether mail to buyers can be sent, if it is on. Sends none."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from importlib.util import find_spec

from .findings import Finding, error, ok, warning
from .patient import Patient

_SECONDS = 4.0


def mail(patient: Patient) -> Iterator[Finding]:
    """Does a letter find an address, a sender and a mail server?"""
    callbacks = patient.state.callbacks
    if not patient.state.settings.mail:
        yield ok("off: STRIPE_CREDITS_MAIL switches it on")
    elif callbacks.user_email_loader is None:
        yield error(
            "nobody tells a user's address: no mail is sent",
            "decorate a function with @credits.user_email_loader",
        )
    elif callbacks.mail_sender is not None:
        sender = callbacks.mail_sender
        name = getattr(sender, "__qualname__", type(sender).__name__)
        yield ok(f"carried by {sender.__module__}.{name}")
    elif find_spec("flask_mailman") is None:
        yield error(
            "Flask-Mailman isn't installed: no mail is sent",
            command='pip install "flask-stripe-credits[mail]"',
        )
    else:
        yield from _server(patient)


def _server(patient: Patient) -> Iterator[Finding]:
    config = patient.app.config
    if not config.get("MAIL_DEFAULT_SENDER"):
        yield error(
            "MAIL_DEFAULT_SENDER isn't set: no mail is sent", "set it to an address of yours"
        )
    # As Flask-Mailman has it.
    backend = config.get("MAIL_BACKEND") or ("locmem" if patient.app.testing else "smtp")
    if backend != "smtp":
        found = f"MAIL_BACKEND is {backend}"
        yield warning(f"{found}: nobody gets any mail") if patient.livemode else ok(found)
        return
    server, port = config.get("MAIL_SERVER") or "localhost", int(config.get("MAIL_PORT") or 25)
    connect = smtplib.SMTP_SSL if config.get("MAIL_USE_SSL") else smtplib.SMTP
    try:
        with connect(server, port, timeout=_SECONDS):
            pass
    except (OSError, smtplib.SMTPException) as trouble:
        yield error(
            f"{server}:{port} doesn't answer: {type(trouble).__name__}",
            "look at MAIL_SERVER, MAIL_PORT and MAIL_USE_SSL; purchases go on without mail",
        )
    else:
        yield ok(f"{server}:{port} answers; the doctor sends none")

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from flask_stripe_credits import mail

from ..hosts import Host, make_host
from ..ports import free_port


@dataclass
class MailServer:
    """A real SMTP server on loopback.

    :ivar refusal: what it answers to every recipient instead of taking the mail.
    :ivar mute: while set, it takes connections and says nothing to a mail.
    """

    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusal: str | None = None
    mute: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.refusal is not None:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        while self.mute.is_set():
            await asyncio.sleep(0.01)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.received]


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    found = MailServer()
    found.port = free_port()
    controller = Controller(found, hostname="127.0.0.1", port=found.port, ready_timeout=60)
    controller.start()
    yield found
    found.mute.clear()
    controller.stop()


MakeMailer = Callable[..., Host]


@pytest.fixture
def make_mailer(mail_server: MailServer) -> MakeMailer:
    """A function that makes a host whose mail goes to ``mail_server``."""

    def make(database_url: str, **config: Any) -> Host:
        settings: dict[str, Any] = {
            "STRIPE_CREDITS_MAIL": True,
            "MAIL_BACKEND": "smtp",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": mail_server.port,
            "MAIL_DEFAULT_SENDER": "Shop <credits@shop.test>",
        }
        host = make_host(database_url, **settings | config)
        host.credits.user_email_loader(lambda user_id: f"{user_id}@users.test")
        return host

    return make


@pytest.fixture
def mailer(make_mailer: MakeMailer, database_url: str) -> Host:
    """A host that sends mail, once on SQLite and once on PostgreSQL."""
    return make_mailer(database_url)


@pytest.fixture
def small_mailer(make_mailer: MakeMailer, new_database: Callable[[str], str]) -> Host:
    """A host that sends mail on SQLite only, for what no database takes part in."""
    return make_mailer(new_database("sqlite"))


def sent(host: Host, server: MailServer) -> list[EmailMessage]:
    """What has arrived, when nothing waits any more."""
    assert mail.wait_until_sent(host.app)
    return server.received


def parts(message: EmailMessage) -> tuple[str, str]:
    """The plain text and the HTML of a mail."""
    found = [part for part in message.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in found] == ["text/plain", "text/html"]
    text, html = (part.get_content().replace("\r\n", "\n") for part in found)
    return text, html

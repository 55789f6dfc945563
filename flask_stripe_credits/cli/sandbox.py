"""``flask credits sandbox``: a local stand-in for Stripe."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import with_appcontext

from .stopping import told_to_stop

if TYPE_CHECKING:
    from ..sandbox import Sandbox

_KEYS = ("STRIPE_SECRET_KEY", "STRIPE_API_KEY", "STRIPE_PUBLISHABLE_KEY")
_BANKS_TAKE_SECONDS = 10.0
_LIVE_KEY = re.compile(r"\s*(sk|rk|pk)_live_")
_UNSIGNED = (
    "The app has no usable webhook secret and will refuse every webhook. Set this for it and "
    "restart it:\n  STRIPE_WEBHOOK_SECRET_CREDITS={secret}"
)


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=5001, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep everything in this file, over restarts. Without it: in memory.",
)
@click.option("--webhook", metavar="URL", help="Send events there, signed with the app's secret.")
@click.option(
    "--chaos",
    metavar="WHAT",
    help="Have deliveries go wrong, e.g. duplicate=2,reorder,delay=5,drop=0.1,seed=7.",
)
@with_appcontext
def sandbox(
    host: str, port: int, state: Path | None, webhook: str | None, chaos: str | None
) -> None:
    """Run a local stand-in for Stripe: its API, a payment page and signed webhooks.

    No account, no network, no real money. It takes any API key that starts with sk_test_ and
    refuses to start where the app is configured with a live key. Ctrl-C stops it.
    """
    from ..sandbox import ApiError, Chaos

    refuse_live_keys()
    try:
        chosen = Chaos.parse(chaos or "")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--chaos") from None
    try:
        with told_to_stop() as stopped, listening_sandbox(host, port, state) as running:
            running.courier.chaos = chosen
            secret = _configured_secret()
            if webhook is not None:
                used = running.register_webhook(webhook, secret=secret)
                if secret is None:
                    click.echo(_UNSIGNED.format(secret=used), err=True)
            click.echo(_introduction(running, state, webhook, chaos))
            with delivering(running):
                stopped.wait()
            click.echo("Stopped.")
    except ApiError as error:
        raise click.BadParameter(error.message, param_hint="--webhook") from None


@contextmanager
def listening_sandbox(host: str, port: int, state: Path | None) -> Iterator[Sandbox]:
    """Give a sandbox that answers and doesn't deliver yet; stop it at the end.

    :raises click.ClickException: the address or the file can't be used.
    """
    from ..sandbox import AddressUnusable, Sandbox, StateFileUnusable

    try:
        made = Sandbox(state=state, settle_after_seconds=_BANKS_TAKE_SECONDS)
        with made as running:
            yield running.start(host, port, deliver=False)
    except (AddressUnusable, StateFileUnusable) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def delivering(running: Sandbox) -> Iterator[None]:
    """Have it deliver from now on, and show each delivery on the terminal meanwhile."""
    logger = logging.getLogger("flask_stripe_credits.sandbox")
    handler = _EchoHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    running.courier.start()
    try:
        yield
    finally:
        logger.removeHandler(handler)


def refuse_live_keys() -> None:
    """Refuse to go on beside a live key.

    :raises click.ClickException: naming the key.
    """
    for key in _KEYS:
        for value in (current_app.config.get(key), os.environ.get(key)):
            if isinstance(value, str) and _LIVE_KEY.match(value):
                raise click.ClickException(
                    f"{key} is a live key. The sandbox doesn't start beside one: whoever thinks "
                    "that this is a toy would charge real cards."
                )
    extension = current_app.extensions.get("stripe_credits")
    if extension is not None and extension.settings.livemode:
        raise click.ClickException(
            "The app is configured with a live key. The sandbox doesn't start beside one."
        )


def _configured_secret() -> str | None:
    extension = current_app.extensions.get("stripe_credits")
    secrets = extension.settings.webhook_secrets if extension is not None else ()
    return secrets[0].reveal() if secrets else None


def _introduction(
    running: Sandbox, state: Path | None, webhook: str | None, chaos: str | None
) -> str:
    from ..sandbox import TEST_CARDS

    card_lines = [f"{card.spaced}  {card.behaviour.value}" for card in TEST_CARDS]
    lines = [
        "Sandbox: a stand-in for Stripe. No real money.",
        f"  Address   {running.url}  (STRIPE_CREDITS_API_BASE)",
        f"  Dashboard {running.url}/dashboard",
        "  API key   any that starts with sk_test_  (STRIPE_SECRET_KEY)",
        f"  Webhooks  {webhook or 'to the endpoints that the API registers'}",
        f"  State     {state or 'in memory, gone when it stops'}",
        *([f"  Chaos     {chaos}"] if chaos else []),
        "  Cards     " + "\n            ".join(card_lines),
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)


class _EchoHandler(logging.Handler):
    """Shows each delivery on the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record))

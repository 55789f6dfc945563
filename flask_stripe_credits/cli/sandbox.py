"""``flask credits sandbox``: a local stand-in for Stripe, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import Settings
from ..state import current_state

if TYPE_CHECKING:
    from ..sandbox import Sandbox


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=5001, show_default=True, type=click.IntRange(0, 65_535))
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep everything in this file; without it, in memory.",
)
@click.option("--webhook", metavar="URL", help="Send events there, signed with the app's secret.")
def sandbox(host: str, port: int, state: Path | None, webhook: str | None) -> None:
    """Run a local stand-in for Stripe: its API, a payment page and signed webhooks.

    No real money and no network. Listens on loopback only and refuses to start beside a live
    key. Point the app at it with STRIPE_CREDITS_API_BASE.
    """
    settings = current_state().settings
    if settings.livemode:
        raise click.ClickException(
            "STRIPE_SECRET_KEY is a live key: the sandbox only runs beside test keys"
        )
    from ..sandbox import AddressUnusable, ApiError, Sandbox, StateFileUnusable

    try:
        with Sandbox(state=state) as running:
            if webhook is not None:
                _register(running, webhook, settings)
            running.start(host, port)
            _say_where(running, webhook)
            _wait_for_the_end()
    except ApiError as error:
        raise click.ClickException(f"--webhook: {error.message}") from error
    except (AddressUnusable, StateFileUnusable) as error:
        raise click.ClickException(str(error)) from error


def _register(running: Sandbox, url: str, settings: Settings) -> None:
    if not settings.webhook_secrets:
        raise click.ClickException(
            "--webhook needs a signing secret: set STRIPE_WEBHOOK_SECRET_CREDITS to whsec_ and "
            "at least 24 more characters, for the app and here"
        )
    running.register_webhook(url, secret=settings.webhook_secrets[0].reveal())


def _say_where(running: Sandbox, webhook: str | None) -> None:
    from ..sandbox import TEST_CARDS

    click.echo(f"Sandbox, no real money: {running.url}")
    click.echo(f"  API base     STRIPE_CREDITS_API_BASE={running.url}")
    click.echo("  API key      any sk_test_… key")
    click.echo(f"  webhooks to  {webhook or 'nowhere: name an endpoint with --webhook URL'}")
    for card in TEST_CARDS:
        click.echo(f"  card         {card.spaced}  {card.behaviour}")
    click.echo("Ctrl-C ends it.")


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()

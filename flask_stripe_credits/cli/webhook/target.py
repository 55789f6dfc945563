"""Which endpoint is meant: the address given, or the app's own; and whose secret we know."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import click

from ...credentials import Secret
from ...errors import GatewayKeyRefused, StripeCreditsError
from ...origins import LOOPBACK_HOSTS, origin_of
from ...state import AppState, current_state
from ...stripe_objects import WebhookEndpoint
from ...webhook_endpoints import Wanted, secret_of, wanted_endpoint, webhook_url
from ...webhooks.handlers import HANDLERS
from ..mode import check_live, mode_and_site

url_option: Final = click.option(
    "--url", help="The webhook's public address; default: made of STRIPE_CREDITS_BASE_URL."
)
live_option: Final = click.option(
    "--live", is_flag=True, help="Say that the live endpoint is meant."
)


def say(text: str) -> None:
    """Words go to the standard error, so that the standard output holds a secret and no more."""
    click.echo(text, err=True)


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Tell our errors as commands do."""
    try:
        yield
    except GatewayKeyRefused as error:
        raise click.ClickException(
            f"{error}. A restricted key needs the permission “Webhook Endpoints: write”"
        ) from None
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None


def aimed(url: str | None, *, live: bool) -> tuple[AppState, Wanted]:
    """Say the mode, check it for a change, and return what the endpoint should be.

    :raises click.ClickException: no address, or one that Stripe couldn't deliver to.
    """
    state = current_state()
    say(mode_and_site(state))
    check_live(state, writes=True, live=live)
    wanted = wanted_endpoint(state.settings, address(state, url), HANDLERS)
    _check_reachable(state, wanted)
    return state, wanted


def address(state: AppState, url: str | None, *, plain: bool = False) -> str:
    """Return the webhook's address.

    :param plain: whether http is allowed everywhere, as between containers.
    :raises click.ClickException: there is none, or it isn't that of our webhook.
    """
    path = state.settings.url_prefix + "/webhook"
    chosen = url or webhook_url(state.settings)
    if chosen is None:
        raise click.ClickException(
            f"where is the app? Say --url https://YOUR-HOST{path}, or set STRIPE_CREDITS_BASE_URL"
        )
    if origin_of(chosen.replace("http:", "https:", 1) if plain else chosen) is None:
        raise click.ClickException(
            f"--url must be an https address (http only on this machine), not {chosen!r}"
        )
    parts = urlsplit(chosen)
    if not parts.path.rstrip("/").endswith(path) or "?" in chosen or "#" in chosen:
        raise click.ClickException(
            f"{chosen} isn't the webhook's address: the app has it at {path}, "
            f"so perhaps {parts.scheme}://{parts.netloc}{path} is meant"
        )
    return chosen


def _check_reachable(state: AppState, wanted: Wanted) -> None:
    loopback = urlsplit(wanted.url).hostname in LOOPBACK_HOSTS
    if loopback and state.settings.api_base is None:
        raise click.ClickException(
            f"Stripe can't reach {wanted.url}. On your own machine use the sandbox "
            "(`flask credits dev`), or Stripe's command line "
            f"(`stripe listen --forward-to {wanted.url}`)"
        )
    if wanted.live and not wanted.url.startswith("https:"):
        raise click.ClickException(f"live events need https, and {wanted.url} isn't")


def changing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that change an endpoint."""
    from ..actor import by_option

    for option in (live_option, by_option, url_option):
        function = option(function)
    return function


def secret_state(endpoint: WebhookEndpoint, secrets: Sequence[Secret]) -> str:
    """Return in one word what is known of an endpoint's secret.

    ``known``: it is one of ``secrets``. ``missing``: it was handed over, and isn't.
    ``lost``: the run that made the endpoint ended before it was handed over. ``untold``: somebody
    else made the endpoint.
    """
    if secret_of(endpoint, secrets) is not None:
        return "known"
    if endpoint.secret_fingerprint is not None:
        return "missing"
    return "lost" if endpoint.site is not None else "untold"

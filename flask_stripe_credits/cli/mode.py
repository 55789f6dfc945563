"""Which Stripe is meant: said by every command that has to do with money, live only on purpose."""

from __future__ import annotations

import click

from ..state import AppState


def mode_and_site(state: AppState) -> str:
    """Return what to print first.

    :raises NotConfigured: there is no usable API key to tell the mode.
    """
    mode = "live" if state.settings.require_livemode() else "test"
    return f"Stripe in {mode} mode, site {state.settings.site}"


def mode_if_known(state: AppState) -> str:
    """Return what to print first where no API key is needed."""
    livemode = state.settings.livemode
    mode = "unknown mode" if livemode is None else "live mode" if livemode else "test mode"
    return f"Stripe in {mode}, site {state.settings.site}"


def check_live(state: AppState, *, writes: bool, live: bool) -> None:
    """Refuse to change live data without ``--live``, and ``--live`` with a test key.

    :raises NotConfigured: there is no usable API key to tell the mode.
    """
    livemode = state.settings.require_livemode()
    if live and not livemode:
        raise click.ClickException("--live was given, but the API key is a test key")
    if livemode and writes and not live:
        raise click.ClickException("the API key is a live key: add --live if that is meant")


def check_live_if_known(state: AppState, *, writes: bool, live: bool) -> None:
    """As :func:`check_live`, by a command that works without any key of Stripe's."""
    if state.settings.livemode is not None:
        check_live(state, writes=writes, live=live)

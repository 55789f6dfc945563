"""``flask credits monitoring``: the alerts and the board, ready for Prometheus and Grafana."""

from __future__ import annotations

from importlib.resources import files

import click

_PACKAGE = "flask_stripe_credits.monitoring"


@click.group("monitoring")
def monitoring_group() -> None:
    """Print what Prometheus and Grafana need to watch your sales.

    Needs neither the database nor Stripe.
    """


@monitoring_group.command("rules")
def rules_command() -> None:
    """Print the alerts as a rules file of Prometheus."""
    click.echo(_read("rules.yml"), nl=False)


@monitoring_group.command("board")
def board_command() -> None:
    """Print the board as JSON, to import into Grafana."""
    click.echo(_read("board.json"), nl=False)


def _read(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")

"""``flask credits …``: thin commands, one file a group."""

from __future__ import annotations

from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup

from ..deferred import imported
from ..logs import warnings_if_heard

_COMMANDS = {
    "audit": "audit:audit_command",
    "db": "db:db_group",
    "deliver": "deliver:deliver_command",
    "demo-data": "demo_data:demo_data_command",
    "dev": "dev.command:dev_command",
    "doctor": "doctor:doctor_command",
    "monitoring": "monitoring:monitoring_group",
    "openapi": "openapi:openapi_command",
    "packages": "packages:packages_group",
    "purchases": "purchases:purchases_group",
    "purge": "purge:purge_command",
    "reconcile": "reconcile:reconcile_command",
    "refund": "refund:refund_command",
    "replay": "replay:replay_command",
    "review": "review:review_group",
    "sandbox": "sandbox:sandbox",
    "setup": "setup:setup_command",
    "stats": "stats:stats_command",
    "sync": "sync:sync_command",
    "webhook": "webhook:webhook_group",
}


class _Credits(AppGroup):
    """Imports a command when it is asked for: a web worker starts without them, 150 ms sooner."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = imported(__name__, _COMMANDS[cmd_name])
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # A command that can't reach Stripe says so itself.
        with warnings_if_heard("gateway.refusals"):
            return super().invoke(ctx)


credits_group: AppGroup = _Credits("credits", help="Sell credits through Stripe Checkout.")
"""Known to ``flask`` wherever the package is installed, so that an app that wasn't found or that
lacks ``init_app`` is told so, and not that there is no such command."""


def register_commands(app: Flask) -> None:
    """Add ``flask credits`` to the app's command line, which its tests use."""
    app.cli.add_command(credits_group)

"""``flask credits …``: thin commands, one file a group."""

from __future__ import annotations

from flask import Flask
from flask.cli import AppGroup

from .audit import audit_command
from .db import db_group
from .deliver import deliver_command
from .demo_data import demo_data_command
from .doctor import doctor_command
from .packages import packages_group
from .purchases import purchases_group
from .purge import purge_command
from .reconcile import reconcile_command
from .refund import refund_command
from .review import review_group
from .sandbox import sandbox
from .stats import stats_command
from .sync import sync_command
from .webhook import webhook_group


def register_commands(app: Flask) -> None:
    """Add ``flask credits`` to the app's command line."""
    group = AppGroup("credits", help="Sell credits through Stripe Checkout.")
    for command in (
        audit_command,
        db_group,
        deliver_command,
        demo_data_command,
        doctor_command,
        packages_group,
        purchases_group,
        purge_command,
        reconcile_command,
        refund_command,
        review_group,
        sandbox,
        stats_command,
        sync_command,
        webhook_group,
    ):
        group.add_command(command)
    app.cli.add_command(group)

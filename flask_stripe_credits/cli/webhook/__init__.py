"""``flask credits webhook``: the endpoint at Stripe that tells this app about payments."""

from __future__ import annotations

from flask.cli import AppGroup

from .create import create_command
from .delete import delete_command
from .listing import list_command
from .rotate import rotate_command
from .sending import test_command

webhook_group: AppGroup = AppGroup(
    "webhook", help="Make, look at, rotate, delete and test the webhook endpoint at Stripe."
)

for _command in (create_command, list_command, rotate_command, delete_command, test_command):
    webhook_group.add_command(_command)

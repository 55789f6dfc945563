"""The purchases of a filter as a file, however many there are."""

from __future__ import annotations

from flask import Response

from ....state import current_state
from ...purchase_export import csv_of_purchases
from .purchases import read_wanted


def export(actor: str) -> Response:
    """All purchases of the filter, newest first: the same file as the admin API's."""
    return csv_of_purchases(current_state(), read_wanted().filter)

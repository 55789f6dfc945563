"""The packages to choose from in a filter."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from ....models import Models


def package_names(connection: sa.Connection, models: Models) -> Mapping[str, str]:
    """Code and name of every package in the catalogue, in the order of display."""
    c = models.table(models.Package).c
    query = sa.select(c.package_code, c.package_name).order_by(c.display_order, c.package_code)
    return {row.package_code: row.package_name for row in connection.execute(query)}

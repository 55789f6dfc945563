"""Keep our tables out of the migrations that Alembic writes for the host.

Alembic is taught once per process to pass over the tables of a ``MetaData`` that carries the
credit models, whatever options the host's ``env.py`` passes. The obvious way, an
``include_object`` among Flask-Migrate's ``configure_args``, ends in a ``TypeError`` for every
host whose ``env.py`` passes an ``include_object`` of its own.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import sqlalchemy as sa
from flask import Flask, appcontext_pushed

from .models import TABLE_NAMES

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

VERSION_TABLE = "flask_stripe_credits_version"

_OUR_NAMES = TABLE_NAMES | {VERSION_TABLE}
_metadatas: WeakSet[sa.MetaData] = WeakSet()


def keep_out_of_host_migrations(app: Flask, metadata: sa.MetaData) -> None:
    """Have the host's ``flask db migrate`` and ``flask db check`` pass over our tables.

    The host's other tables, their foreign keys to ours and its other binds are compared as ever.
    Safe to repeat. Works whether Flask-Migrate is initialised before or after, or not at all, and
    doesn't import Alembic.

    :param metadata: the host's, on which the credit models were built.
    """
    _metadatas.add(metadata)
    if "alembic" in sys.modules:
        _teach_alembic()
    else:
        appcontext_pushed.connect(_teach_alembic_once_imported, app)


def _teach_alembic_once_imported(app: Flask, **extra: Any) -> None:
    if "alembic" in sys.modules:
        appcontext_pushed.disconnect(_teach_alembic_once_imported, app)
        _teach_alembic()


@functools.cache
def _teach_alembic() -> None:
    from alembic.autogenerate import comparators

    # What is registered here runs before Alembic's own comparisons.
    comparators.dispatch_for("schema")(_pass_over_our_tables)


def _pass_over_our_tables(
    autogen_context: AutogenContext, upgrade_ops: UpgradeOps, schemas: set[str | None]
) -> None:
    ours = frozenset(_our_tables(autogen_context))
    if not ours:
        return

    def include_object(
        item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any
    ) -> bool:
        return kind != "table" or (item.schema, name) not in ours

    autogen_context._object_filters.append(include_object)


def _our_tables(autogen_context: AutogenContext) -> Iterator[tuple[str | None, str]]:
    compared = autogen_context.metadata
    for metadata in [compared] if isinstance(compared, sa.MetaData) else compared or ():
        if metadata in _metadatas:
            for name in _OUR_NAMES:
                yield metadata.schema, name
                # Alembic leaves the name of the default schema out of what it finds there.
                if metadata.schema == autogen_context.dialect.default_schema_name:
                    yield None, name

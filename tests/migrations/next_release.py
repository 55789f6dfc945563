"""A release that doesn't exist yet: two more revisions, and the model that goes with them.

It is what CONTRIBUTING.md tells to copy when the tables really change.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.naming import conv

from flask_stripe_credits import models, revisions
from flask_stripe_credits.models import CreditPurchaseMixin

NEXT_VERSIONS = Path(__file__).with_name("next_versions")

EXPANDED = "Applied 0003: Note where a purchase was made.\n"
CONTRACTED = "Applied 0004: Require the sales channel.\n"


class NextPurchase(CreditPurchaseMixin):
    """A purchase as the next release sees it, after revision 0003."""

    sales_channel: Mapped[str | None]


class PurchaseAfterNext(CreditPurchaseMixin):
    """A purchase as the release after the next one sees it, after revision 0004."""

    sales_channel: Mapped[str]


@contextlib.contextmanager
def tables_of(purchase_class: type[CreditPurchaseMixin]) -> Iterator[None]:
    """Within this block, apps are made with the tables of the release with this model."""

    def make_tables(metadata: sa.MetaData) -> dict[str, sa.Table]:
        tables = tables_of_today(metadata)
        if purchase_class is not CreditPurchaseMixin:
            purchases, later = tables["credit_purchases"], purchase_class is PurchaseAfterNext
            column = sa.Column("sales_channel", sa.String(20), default="web", nullable=not later)
            purchases.append_column(column)
            name = conv("ix_credit_purchases_sales_channel")
            sa.Index(name, column, purchases.c.created_at)
        return tables

    tables_of_today = models.make_tables
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "make_tables", make_tables)
        yield


class NextRelease:
    """The revisions of the next release."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Within this block, they are the package's."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(revisions, "migrations_directory", lambda: self.directory)
            yield


@pytest.fixture
def next_release(tmp_path: Path) -> NextRelease:
    directory = tmp_path / "next-release"
    shutil.copytree(revisions.migrations_directory(), directory)
    for revision in NEXT_VERSIONS.glob("*.py"):
        shutil.copy(revision, directory / "versions")
    return NextRelease(directory)

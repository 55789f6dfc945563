"""A release that doesn't exist yet: two more revisions, and the model that goes with them.

It is what CONTRIBUTING.md tells to copy when the tables really change.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.naming import conv

from flask_stripe_credits import revisions
from flask_stripe_credits.models import CreditPurchaseMixin

NEXT_VERSIONS = Path(__file__).with_name("next_versions")

EXPANDED = "Applied 0003: Note where a purchase was made.\n"
CONTRACTED = "Applied 0004: Require the sales channel.\n"


class NextPurchase(CreditPurchaseMixin):
    """A purchase as the next release sees it, after revision 0003."""

    sales_channel: Mapped[str | None] = mapped_column(sa.String(20), default="web")

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        index = sa.Index(conv("ix_credit_purchases_sales_channel"), "sales_channel", "created_at")
        return (*super().__table_args__, index)


class PurchaseAfterNext(NextPurchase):
    """A purchase as the release after the next one sees it, after revision 0004."""

    sales_channel: Mapped[str] = mapped_column(sa.String(20), default="web")


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

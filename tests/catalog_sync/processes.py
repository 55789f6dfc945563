"""Processes that sync, and the state that they are to leave, as tests hold them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .shelves import at_stripe

ROOT = Path(__file__).parents[2]
KINDS = ("product", "price")


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended, and the steps that it reached."""

    code: int
    steps: list[str]


class Runner:
    """See :mod:`.runner`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *fuses: int) -> list[Ended]:
        """Sync in as many processes at once; each dies at its step, 0 for none."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, fuses)) + "\n")
        self._process.stdin.flush()
        return [Ended(**one) for one in json.loads(self.read())]

    def read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def runner(host: Host, folder: Path) -> Iterator[Runner]:
    keys = ("STRIPE_SECRET_KEY", "STRIPE_CREDITS_API_BASE")
    config = {
        "database_url": host.db_url,
        "settings": {key: host.app.config[key] for key in keys},
        "folder": str(folder),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.catalog_sync.runner", json.dumps(config)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        started = Runner(process)
        assert started.read() == "ready\n"
        yield started
        assert process.stdin is not None
        process.stdin.close()


class World:
    """The packages and their twins as they are now, to go back to."""

    def __init__(self, host: Host, sandbox: Sandbox) -> None:
        self._host, self._sandbox = host, sandbox
        self._rows: Sequence[dict[str, Any]] = host.rows(host.credits.Package)
        self._objects = [one for kind in KINDS for one in at_stripe(sandbox, kind)]

    def restore(self) -> None:
        for kind in KINDS:
            for one in at_stripe(self._sandbox, kind):
                self._sandbox.store.remove(one["id"])
        for one in self._objects:
            self._sandbox.store.add(one)
        table = self._host.state.models.table(self._host.credits.Package)
        with self._host.app.app_context(), self._host.db.engine.begin() as connection:
            connection.execute(sa.delete(table))
            connection.execute(sa.insert(table), self._rows)


def described(host: Host, sandbox: Sandbox) -> dict[str, Any]:
    """Everything that a sync decides about, whatever ids Stripe gave."""
    found: dict[str, Any] = {}
    prices = {price["id"]: price for price in at_stripe(sandbox, "price")}
    products = at_stripe(sandbox, "product")
    for row in host.rows(host.credits.Package):
        code = row["package_code"]
        price = prices.get(row["stripe_price_id"] or "", {})
        found[code] = {
            "row": (row["stripe_product_id"], price.get("product"), price.get("unit_amount")),
            "products": [
                (one["id"], one["name"], one["active"])
                for one in products
                if one["metadata"].get("package_code") == code
            ],
            "prices": sorted(
                (one["unit_amount"], one["active"], str(one["lookup_key"]))
                for one in prices.values()
                if one["metadata"].get("package_code") == code
            ),
        }
    return found

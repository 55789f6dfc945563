"""Where the sandbox keeps its objects: one SQLite database, in memory or in a file.

One connection and one lock: whoever writes is alone, so that two tabs can't pay one session.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .errors import invalid

Json = dict[str, Any]

# Some 2 KB each.
MOST_OBJECTS = 1_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL,
    hidden TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_by_created ON objects (kind, created, sequence);
CREATE INDEX IF NOT EXISTS objects_by_expiry
    ON objects (kind, json_extract(body, '$.status'), json_extract(body, '$.expires_at'))
    WHERE json_extract(body, '$.expires_at') IS NOT NULL;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created INTEGER NOT NULL,
    request_id TEXT,
    status INTEGER,
    body TEXT
);
CREATE INDEX IF NOT EXISTS idempotency_by_created ON idempotency (created);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, due_at);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery INTEGER NOT NULL,
    at REAL NOT NULL,
    seconds REAL NOT NULL,
    status INTEGER,
    error TEXT,
    answer TEXT
);
CREATE INDEX IF NOT EXISTS attempts_by_delivery ON attempts (delivery);
"""
# What lists are filtered by, so that a page costs the same whatever else there is.
_FILTERS = ("charge", "customer", "payment_intent", "status")
_SCHEMA += "".join(
    f"CREATE INDEX IF NOT EXISTS objects_by_{name}"
    f" ON objects (kind, json_extract(body, '$.{name}'), created, sequence)"
    f" WHERE json_extract(body, '$.{name}') IS NOT NULL;\n"
    for name in _FILTERS
)
# What an event is about: the payment intent that its object is or belongs to, or else the object.
SUBJECT = (
    "coalesce(json_extract(body, '$.data.object.payment_intent'),"
    " json_extract(body, '$.data.object.id'))"
)
_SCHEMA += (
    f"CREATE INDEX IF NOT EXISTS events_by_subject ON objects ({SUBJECT}, created, sequence)"
    " WHERE kind = 'event';\n"
)
# To be counted up whenever the schema changes: old files are thrown away, not converted.
_VERSION = 3
# Left behind by a process that died in the middle: nobody will finish these.
_RECOVERY = """
DELETE FROM idempotency WHERE status IS NULL;
UPDATE deliveries SET state = 'pending' WHERE state = 'sending';
"""


class StateFileUnusable(Exception):
    """The state file is in use, isn't one of ours, is of another version, or can't be written."""


class Place(NamedTuple):
    """Where an object stands in a list: by time, and within a second by order of creation."""

    created: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on a field of an object: ``Where("created", ">=", 1700000000)``.

    :ivar field: a path as in ``customer_details.email``; from our code, never from a request.
    :ivar operator: ``=``, ``>``, ``>=``, ``<``, ``<=`` or ``in`` (``value`` is then a sequence).
    """

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition on ``objects`` that is written out; from our code, never from a request."""

    text: str


class Store:
    """Stripe objects as JSON, each with a ``hidden`` part that the API never shows.

    :param path: file that keeps everything over a restart; None for memory.
    :ivar most_objects: how many objects are kept in all.
    :raises StateFileUnusable: when another process has the file open, or it can't be used.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self.most_objects = MOST_OBJECTS
        self._after_commit: list[Callable[[], None]] = []
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError as error:
            problem = (
                "is in use by another sandbox"
                if "locked" in str(error)
                else f"can't be used ({error})"
            )
            raise StateFileUnusable(f"The state file {path} {problem}.") from error

    def close(self) -> None:
        """Release the file. Safe to repeat."""
        with self._lock:
            self._db.close()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called after transactions that changed something, outside the lock."""
        self._after_commit.append(callback)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything inside or nothing of it. A nested one belongs to the outermost."""
        changed, changes_before = False, 0
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._db.execute("BEGIN IMMEDIATE")
                changes_before = self._db.total_changes
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._db.execute("COMMIT")
                    changed = self._db.total_changes != changes_before
            finally:
                self._depth -= 1
        if changed:
            for callback in self._after_commit:
                callback()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def add(self, body: Json, hidden: Json | None = None) -> None:
        """Keep a new object.

        :raises ApiError: when there are as many as may be kept.
        """
        [(sequence,)] = self.query(
            "INSERT INTO objects (id, kind, created, body, hidden) VALUES (?, ?, ?, ?, ?)"
            " RETURNING sequence",
            body["id"],
            body["object"],
            body.get("created", 0),
            _dumps(body),
            _dumps(hidden or {}),
        )
        if sequence > self.most_objects:
            self.remove(body["id"])
            raise invalid(
                f"The sandbox is full: it keeps {self.most_objects:,} objects, since its memory or "
                "its state file would fill the machine. Start it anew.",
                status=429,
            )

    def save(self, body: Json, hidden: Json | None = None) -> None:
        """Replace an object; its hidden part stays unless given."""
        self.query("UPDATE objects SET body = ? WHERE id = ?", _dumps(body), body["id"])
        if hidden is not None:
            self.query("UPDATE objects SET hidden = ? WHERE id = ?", _dumps(hidden), body["id"])

    def remove(self, id: str) -> None:
        self.query("DELETE FROM objects WHERE id = ?", id)

    def get(self, kind: str, id: str) -> Json | None:
        """Return the object of this ``kind`` and ``id``, or None."""
        rows = self.query("SELECT body FROM objects WHERE id = ? AND kind = ?", id, kind)
        return json.loads(rows[0][0]) if rows else None

    def get_any(self, id: str) -> Json | None:
        """Return the object with this ``id`` whatever it is, or None."""
        rows = self.query("SELECT body FROM objects WHERE id = ?", id)
        return json.loads(rows[0][0]) if rows else None

    def hidden(self, id: str) -> Json:
        """Return what the API doesn't show of an object; empty for an unknown one."""
        rows = self.query("SELECT hidden FROM objects WHERE id = ?", id)
        return json.loads(rows[0][0]) if rows else {}

    def place(self, kind: str, id: str) -> Place | None:
        """Return where an object stands in lists, or None."""
        rows = self.query(
            "SELECT created, sequence FROM objects WHERE id = ? AND kind = ?", id, kind
        )
        return Place(*rows[0]) if rows else None

    def find(
        self,
        kind: str,
        where: Sequence[Where | Sql] = (),
        *,
        before: Place | None = None,
        after: Place | None = None,
        limit: int | None = None,
    ) -> list[Json]:
        """Return objects of one kind, newest first.

        :param before: only those created before the one at this place.
        :param after: only those created after it; with ``limit`` the ones nearest to it.
        """
        conditions: list[str] = ["kind = ?"]
        values: list[Any] = [kind]
        for condition in where:
            sql, condition_values = _condition(condition)
            conditions.append(sql)
            values += condition_values
        for operator, place in (("<", before), (">", after)):
            if place is not None:
                conditions.append(f"(created, sequence) {operator} (?, ?)")
                values += place
        order = "ASC" if after is not None else "DESC"
        rows = self.query(
            f"SELECT body FROM objects WHERE {' AND '.join(conditions)}"  # noqa: S608
            f" ORDER BY created {order}, sequence {order} LIMIT ?",
            *values,
            -1 if limit is None else limit,
        )
        found = [json.loads(body) for (body,) in rows]
        return found[::-1] if after is not None else found


def _dumps(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def _opened(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        # It holds webhook secrets. What keeps it from being made, SQLite says below.
        with suppress(OSError):
            path.touch(mode=0o600)
    db = sqlite3.connect(
        path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0.2
    )
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone():
            _check_version(db)
        db.executescript(
            f"BEGIN EXCLUSIVE; PRAGMA user_version = {_VERSION}; {_SCHEMA} {_RECOVERY} COMMIT;"
        )
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _check_version(db: sqlite3.Connection) -> None:
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version != _VERSION:
        raise sqlite3.DatabaseError(
            "it isn't one of this version's; remove it, and the sandbox begins anew"
        )


def _condition(where: Where | Sql) -> tuple[str, list[Any]]:
    if isinstance(where, Sql):
        return where.text, []
    field = "created" if where.field == "created" else f"json_extract(body, '$.{where.field}')"
    if where.operator == "in":
        marks = ", ".join("?" for _ in where.value)
        return f"{field} IN ({marks})", list(where.value)
    return f"{field} {where.operator} ?", [where.value]

"""Requests that may be repeated: the same key and parameters get the same answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .errors import ApiError, invalid
from .store import Json
from .world import World

_KEPT_SECONDS = 24 * 60 * 60
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered."""

    body: Json
    status: int = 200
    request_id: str | None = None


def begin(world: World, key: str, path: str, encoded: bytes) -> Answer | None:
    """Return the answer that ``key`` already got, or None and mark it as being worked on.

    :param encoded: the request's parameters as they came.
    :raises ApiError: when the key was used for something else, or is being worked on.
    """
    if len(key) > _LONGEST_KEY:
        raise invalid(f"Idempotency keys can be at most {_LONGEST_KEY} characters long.")
    fingerprint = hashlib.sha256(encoded).hexdigest()
    store = world.store
    with store.transaction():
        store.query("DELETE FROM idempotency WHERE created < ?", world.now() - _KEPT_SECONDS)
        rows = store.query(
            "SELECT path, fingerprint, request_id, status, body FROM idempotency WHERE key = ?", key
        )
        if not rows:
            store.query(
                "INSERT INTO idempotency (key, path, fingerprint, created) VALUES (?, ?, ?, ?)",
                key,
                path,
                fingerprint,
                world.now(),
            )
            return None
    [(first_path, first_fingerprint, request_id, status, body)] = rows
    _check_same(key, (first_path, first_fingerprint), (path, fingerprint))
    if status is None:
        raise ApiError(
            409,
            "idempotency_error",
            "There is currently another in-progress request using this Idempotency Key "
            f"('{key}'). Wait for it to finish, then try again.",
            code="idempotency_key_in_use",
        )
    return Answer(json.loads(body), status, request_id)


def _check_same(key: str, first: tuple[str, str], second: tuple[str, str]) -> None:
    if first[0] != second[0]:
        problem = (
            "Keys for idempotent requests can only be used for the same endpoint they were first "
            f"used for ('{second[0]}' vs '{first[0]}'). Try using a key other than '{key}' if you "
            "meant to execute a different request."
        )
    elif first[1] != second[1]:
        problem = (
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request."
        )
    else:
        return
    raise ApiError(400, "idempotency_error", problem)


def finish(world: World, key: str, answer: Answer) -> None:
    """Keep the answer for a key; in the transaction of the work, so that both survive or none."""
    world.store.query(
        "UPDATE idempotency SET status = ?, body = ?, request_id = ? WHERE key = ?",
        answer.status,
        json.dumps(answer.body),
        answer.request_id,
        key,
    )


def forget(world: World, key: str) -> None:
    """Free a key whose request never began to work."""
    with world.store.transaction():
        world.store.query("DELETE FROM idempotency WHERE key = ? AND status IS NULL", key)

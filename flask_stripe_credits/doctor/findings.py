"""What a check finds, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. Holds no secret.

    :ivar advice: what to do, for people; None when nothing has to be done.
    :ivar command: the exact command that mends it, when one does.
    """

    level: Level
    found: str
    advice: str | None = None
    command: str | None = None


def ok(found: str) -> Finding:
    return Finding(Level.OK, found)


def warning(found: str, advice: str | None = None, command: str | None = None) -> Finding:
    return Finding(Level.WARNING, found, advice, command)


def error(found: str, advice: str | None = None, command: str | None = None) -> Finding:
    return Finding(Level.ERROR, found, advice, command)


def skipped(found: str) -> Finding:
    return Finding(Level.SKIPPED, found)

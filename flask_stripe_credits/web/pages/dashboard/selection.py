"""Which days and which package the reader chose: plain parameters of a GET form."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from ..texts import text

PRESETS = {"7d": 7, "30d": 30, "90d": 90, "12m": 365}
EVERYTHING = "all"
_DEFAULT = "30d"
_LONGEST_CODE = 50


@dataclass(frozen=True, slots=True)
class Selection:
    """A stretch of whole days in UTC, and a package or all of them.

    :ivar preset: one of ``PRESETS``, or ``all``; None where days were given.
    :ivar first, last: the days, both included; None for no end on that side.
    :ivar problem: what was wrong with what the reader chose, which is passed over then.
    """

    preset: str | None
    first: dt.date | None
    last: dt.date | None
    package_code: str | None = None
    problem: str | None = None

    @property
    def since(self) -> dt.datetime | None:
        return None if self.first is None else _midnight(self.first)

    @property
    def until(self) -> dt.datetime | None:
        """The end, which is not in it any more; None: until now."""
        if self.last is None or self.preset is not None:
            return None
        return _midnight(self.last + dt.timedelta(days=1))

    def query(self, preset: str | None = None) -> dict[str, str]:
        """The parameters of a link to this selection, or to another preset of it."""
        found = {}
        if preset is not None:
            found["range"] = preset
        elif self.preset is not None:
            found["range"] = self.preset
        else:
            found |= {"from": self.first.isoformat()} if self.first else {}
            found |= {"to": self.last.isoformat()} if self.last else {}
        return found | ({"package": self.package_code} if self.package_code else {})


def read_selection(args: Mapping[str, str], today: dt.date) -> Selection:
    """Read the form. What can't be read is passed over and said so."""
    package_code = args.get("package", "").strip()[:_LONGEST_CODE].replace("\0", "") or None
    try:
        first, last = (_day(args.get(name, "")) for name in ("from", "to"))
    except ValueError:
        problem = text("A date wasn't understood. Write it as 2026-03-31.")
        return _preset(args, today, package_code, problem)
    if first is None and last is None:
        return _preset(args, today, package_code)
    if first is not None and last is not None and first > last:
        problem = text("The first day is later than the last one.")
        return _preset(args, today, package_code, problem)
    return Selection(None, first, last, package_code)


def _preset(
    args: Mapping[str, str], today: dt.date, package_code: str | None, problem: str | None = None
) -> Selection:
    chosen = args.get("range", _DEFAULT)
    if chosen == EVERYTHING:
        return Selection(chosen, None, None, package_code, problem)
    if chosen not in PRESETS:
        chosen = _DEFAULT
    first = today - dt.timedelta(days=PRESETS[chosen] - 1)
    return Selection(chosen, first, today, package_code, problem)


def _day(written: str) -> dt.date | None:
    written = written.strip()
    if not written:
        return None
    found = dt.date.fromisoformat(written)
    if not 2000 <= found.year <= 2999:
        raise ValueError(written)
    return found


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)

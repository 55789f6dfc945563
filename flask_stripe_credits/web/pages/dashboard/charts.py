"""Column charts as SVG: the geometry, in per cent, so that text keeps its size at every width.

The template draws it. Nothing here knows about money or pages: a caller gives numbers and words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_INTERVALS = 4
_GAP = 0.28
_MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers of one kind, one for each step; negative ones hang below the line.

    :ivar tone: how they are coloured: ``accent``, ``good`` or ``bad``.
    """

    label: str
    values: Sequence[int]
    tone: str = "accent"


@dataclass(frozen=True, slots=True)
class Column:
    """One rectangle, in per cent of the plot."""

    y: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the chart: its columns, and the stretch in which it is pointed at."""

    label: str
    hint: str
    left: float
    width: float
    x: float
    column_width: float
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at the edge, in per cent from the left or the top."""

    position: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that is ready to be drawn.

    :ivar zero: where the line is that the columns stand on, in per cent from the top.
    :ivar scale: top to bottom, evenly spaced.
    """

    steps: tuple[Step, ...]
    scale: tuple[Mark, ...]
    axis: tuple[Mark, ...]
    zero: float


def column_chart(
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    written: Callable[[int], str],
    compact: Callable[[int], str],
) -> Chart:
    """Lay out one column a step for each series, all standing on the same line.

    :param written: a number in full, for what is shown when a column is pointed at.
    :param compact: a number for the scale.
    """
    values = [value for one in series for value in one.values]
    marks = scale_marks(min(values, default=0), max(values, default=0))
    low, high = marks[0], marks[-1]
    width = 100 / max(len(labels), 1)

    def position(value: int) -> float:
        return round(100 * (high - value) / (high - low), 3)

    def column(value: int, tone: str) -> Column:
        top, bottom = sorted((position(value), position(0)))
        return Column(top, round(bottom - top, 3), tone)

    steps = tuple(
        Step(
            label=label,
            hint=_hint(label, series, place, written),
            left=round(place * width, 3),
            width=round(width, 3),
            x=round((place + _GAP / 2) * width, 3),
            column_width=round((1 - _GAP) * width, 3),
            columns=tuple(
                column(one.values[place], one.tone) for one in series if one.values[place]
            ),
        )
        for place, label in enumerate(labels)
    )
    scale = tuple(Mark(position(mark), compact(mark)) for mark in reversed(marks))
    return Chart(steps, scale, _axis(labels, width), position(0))


def _hint(label: str, series: Sequence[Series], place: int, written: Callable[[int], str]) -> str:
    told = (f"{one.label} {written(one.values[place])}" for one in series)
    return f"{label}: {', '.join(told)}"


def _axis(labels: Sequence[str], width: float) -> tuple[Mark, ...]:
    """A few labels, evenly spaced, each in the middle of its step."""
    every = max(1, -(-len(labels) // _MOST_LABELS))
    chosen = itertools.islice(enumerate(labels), 0, None, every)
    return tuple(Mark(round((place + 0.5) * width, 3), label) for place, label in chosen)


def scale_marks(low: int, high: int) -> list[int]:
    """Round numbers from at most ``low`` to at least ``high``, evenly spaced, zero among them."""
    low, high = min(low, 0), max(high, 0)
    wanted = max(-(-(high - low) // _INTERVALS), 1)
    step = next(
        digit * 10**power
        for power in itertools.count()
        for digit in (1, 2, 5)
        if digit * 10**power >= wanted
    )
    first, last = low // step, max(-(-high // step), low // step + 1)
    return [step * place for place in range(first, last + 1)]


def share(part: int, whole: int) -> float:
    """``part`` in per cent of ``whole``, 0 to 100, for a bar; nothing of nothing is nothing."""
    return round(100 * min(max(part, 0), whole) / whole, 2) if whole > 0 else 0.0

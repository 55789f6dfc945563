"""The drawings of the documentation, made from what they show: ``python -m tests.drawings``.

Plain SVG with its colours for light and dark inside, narrow enough to be read on a phone. The
floors are those of the contract in ``pyproject.toml``; ``tests/docs/test_drawings.py`` finds a
drawing that is out of date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "explanation" / "pictures"
WIDTH = 480
MINUS = "\N{MINUS SIGN}"
# Furo and GitHub follow the system; who chooses in Furo sets an attribute of the body.
_LIGHT = "--ink:#1f2328;--soft:#59636e;--paper:#fff;--box:#eef2f7;--band:#e3f1e7;--stop:#b42318"
_DARK = "--ink:#e6e8eb;--soft:#a3adb8;--paper:#16181b;--box:#262b32;--band:#1b3325;--stop:#ff8a7a"
_STYLE = f"""\
.drawing{{{_LIGHT};max-width:{WIDTH * 5 // 4}px;width:100%;height:auto}}
@media(prefers-color-scheme:dark){{.drawing{{{_DARK}}}}}
body[data-theme=light] .drawing{{{_LIGHT}}}
body[data-theme=dark] .drawing{{{_DARK}}}
.drawing text{{fill:var(--ink);font:12px system-ui,sans-serif}}
.drawing .code{{font:11.5px ui-monospace,Menlo,Consolas,monospace}}
.drawing .name{{font-weight:600}}
.drawing .note{{fill:var(--soft)}}
.drawing .said{{stroke:var(--paper);stroke-width:4px;paint-order:stroke}}
.drawing .banded .said{{stroke:var(--band)}}
.drawing .paper{{fill:var(--paper)}}
.drawing .box{{fill:var(--box);stroke:var(--soft);stroke-width:.7}}
.drawing .chip{{fill:var(--paper);stroke:var(--soft);stroke-width:.5}}
.drawing .band{{fill:var(--band)}}
.drawing .line{{fill:none;stroke:var(--soft);stroke-width:1.2}}
.drawing .life{{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 4}}
.drawing .head{{fill:var(--soft)}}
.drawing .stop{{fill:var(--stop)}}
.drawing .number{{fill:var(--paper);font-weight:600;text-anchor:middle}}
"""


def _svg(title: str, words: str, height: float, parts: list[str]) -> str:
    inside = "\n".join(parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 {WIDTH} {height:g}" \
role="img" aria-label="{escape(title)}">
<title>{escape(title)}</title>
<desc>{escape(words)}</desc>
<style>
{_STYLE}</style>
<rect class="paper" width="{WIDTH}" height="{height:g}" rx="8"/>
{inside}
</svg>
"""


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    size = f'width="{width:g}" height="{height:g}"'
    return f'<rect x="{x:g}" y="{y:g}" {size} rx="4" class="{kind}"/>'


# --- the floors -----------------------------------------------------------------------------

# The storeys from the roof down: a name, what it touches outside, and its lowest module.
STOREYS = (
    ("Ways in", "browsers, shells, Stripe's webhooks", "webhooks"),
    ("Watching", "Prometheus, operators", "demo_data"),
    ("Selling and looking after", "", "balances"),
    ("Facts and credits", "your receivers", "unit_of_work"),
    ("Talking to others", "your database, Stripe's API", "stripe_objects"),
    ("Tables", "your MetaData", "tables"),
    ("Ground", "", "errors"),
)


def layers() -> list[str]:
    """The modules of the contract, from the roof down."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    found = contracts["contracts"][0]["layers"]
    return [name for layer in found for name in re.findall(r"[a-z_]+", layer)]


def storeys() -> Iterator[tuple[str, str, list[str]]]:
    """Each storey with its modules, the highest first."""
    names = layers()
    for name, outside, lowest in STOREYS:
        last = names.index(lowest) + 1
        yield name, outside, names[:last]
        names = names[last:]
    assert names == [], f"below the ground: {names}"


_LEFT, _ROW, _CHIP = 34, 24, 18
_CHARACTER = 6.95


def _chips(names: list[str], top: float) -> tuple[list[str], float]:
    parts, x, y = [], float(_LEFT + 10), top
    for name in names:
        width = len(name) * _CHARACTER + 12
        if x + width > WIDTH - 18:
            x, y = _LEFT + 10, y + _ROW
        parts.append(_box(x, y, width, _CHIP, "chip"))
        parts.append(_text(x + 6, y + 13, name, "code"))
        x += width + 6
    return parts, y + _ROW


def floors() -> str:
    roof = f'<path class="box" d="M{_LEFT - 8} 52L{(_LEFT + WIDTH) / 2:g} 10L{WIDTH - 2} 52Z"/>'
    parts = [roof, _text((_LEFT + WIDTH) / 2, 42, "flask_stripe_credits", "name", "middle")]
    y = 56.0
    for name, outside, modules in storeys():
        chips, bottom = _chips(modules, y + 26)
        parts.append(_box(_LEFT, y, WIDTH - _LEFT - 10, bottom - y))
        parts.append(_text(_LEFT + 10, y + 17, name, "name"))
        if outside:
            parts.append(_text(WIDTH - 18, y + 17, f"↔ {outside}", "note", "end"))
        parts += chips
        y = bottom + 5
    parts.append(f'<path class="line" d="M17 64V{y - 16:g}"/>')
    parts.append(f'<path class="head" d="M12 {y - 18:g}h10l-5 10z"/>')
    down = _text(0, 0, "imports only what is below", "note", "middle")
    parts.append(f'<g transform="translate(11 {y / 2:g}) rotate(-90)">{down}</g>')
    words = "; ".join(f"{name}: {', '.join(modules)}" for name, _, modules in storeys())
    return _svg("The floors, from the roof down", words, y + 6, parts)


# --- who says what to whom ------------------------------------------------------------------


@dataclass(frozen=True)
class Says:
    """An arrow from one to another, or to oneself.

    :ivar stop: the number of the place behind it at which a process may die; 0 for none.
    :ivar statement: what of it reaches the database: the verb, and the table.
    """

    who: str
    to: str
    what: str
    stop: int = 0
    statement: str = ""


@dataclass(frozen=True)
class Band:
    """From here on all is in one transaction, or isn't any more."""

    on: bool


DELIVERY: tuple[Says | Band, ...] = (
    Says("Stripe", "webhook", "the event, signed"),
    Says("webhook", "webhook", "verify, parse", 1),
    Band(True),
    Says("webhook", "database", "lock payment, purchase", 2, "WITH credit_payments"),
    Says("webhook", "database", "read facts, sum grants", 3, "SELECT credit_purchases"),
    Says("webhook", "webhook", f"due = target {MINUS} posted"),
    Says("webhook", "database", "the grant", 4, "INSERT credit_grants"),
    Says("webhook", "your receiver", "grant, session"),
    Says("your receiver", "database", "ledger entry", 5, "INSERT ledger_entry"),
    Says("webhook", "database", "paid, the event's row", 6, "WITH credit_webhook_events"),
    Says("webhook", "database", "COMMIT", 7, "COMMIT"),
    Band(False),
    Says("webhook", "Stripe", "200", 8),
)

RACE: tuple[Says | Band, ...] = (
    Says("delivery 1", "database", "lock the payment"),
    Says("delivery 2", "database", "lock the payment: waits"),
    Says("delivery 1", "database", "grant 1,000, ledger entry"),
    Says("delivery 1", "database", "COMMIT"),
    Says("database", "delivery 2", "has the lock; posted 1,000"),
    Says("delivery 2", "delivery 2", f"due = 1,000 {MINUS} 1,000 = 0"),
    Says("delivery 2", "database", "COMMIT, nothing granted"),
)

_STEP, _TOP = 34, 60
_HEAD = 100


def _arrow(x: float, to: float, y: float, what: str) -> list[str]:
    if x == to:
        side, anchor = (1, "start") if x < WIDTH * 0.7 else (-1, "end")
        loop = f'<path class="line" d="M{x:g} {y - 8:g}h{16 * side}v12h{-12 * side}"/>'
        head = f'<path class="head" d="M{x + 2 * side:g} {y + 4:g}l{8 * side} -4v8z"/>'
        return [loop, head, _text(x + 22 * side, y + 2, what, "said", anchor)]
    side = 8 if to > x else -8
    line = f'<path class="line" d="M{x:g} {y:g}H{to - side:g}"/>'
    head = f'<path class="head" d="M{to:g} {y:g}l{-side} -4v8z"/>'
    return [line, head, _text((x + to) / 2, y - 6, what, "said", "middle")]


def _sequence(title: str, people: tuple[str, ...], steps: tuple[Says | Band, ...]) -> str:
    gap = (WIDTH - _HEAD - 12) / (len(people) - 1)
    at = {name: 6 + _HEAD / 2 + gap * place for place, name in enumerate(people)}
    parts, bands, y, began = [], [], float(_TOP), 0.0
    for step in steps:
        if isinstance(step, Band):
            if step.on:
                began = y - 14
                parts.append('<g class="banded">')
            else:
                bands.append(_box(4, began, WIDTH - 8, y - began - 12, "band"))
                parts.append("</g>")
            continue
        parts += _arrow(at[step.who], at[step.to], y, step.what)
        if step.stop:
            x = at["webhook"] - 22 if step.to != "Stripe" else at["webhook"] + 22
            parts.append(f'<circle class="stop" cx="{x:g}" cy="{y + 11:g}" r="8"/>')
            parts.append(_text(x, y + 15, str(step.stop), "number"))
        y += _STEP
    lives = [f'<path class="life" d="M{x:g} 34V{y - 10:g}"/>' for x in at.values()]
    heads = [
        _box(x - _HEAD / 2, 8, _HEAD, 26) + _text(x, 25, name, "name", "middle")
        for name, x in at.items()
    ]
    said = [
        f"{one.who} to {one.to}: {one.what}" + (f" [{one.stop}]" if one.stop else "")
        for one in steps
        if isinstance(one, Says)
    ]
    return _svg(title, "; ".join(said), y, [*bands, *lives, *heads, *parts])


def drawings() -> dict[Path, str]:
    """Every drawing: where it is, and its text."""
    delivery = _sequence(
        "One delivery, and the eight places at which it may die",
        ("Stripe", "webhook", "database", "your receiver"),
        DELIVERY,
    )
    race = _sequence(
        "Two deliveries of one payment at the same instant",
        ("delivery 1", "database", "delivery 2"),
        RACE,
    )
    return {
        FOLDER / "floors.svg": floors(),
        FOLDER / "delivery.svg": delivery,
        FOLDER / "race.svg": race,
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in drawings().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))

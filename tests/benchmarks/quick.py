"""What is measured in one process: the webhook, its statements, what buyers ask for, the start."""

from __future__ import annotations

from collections.abc import Sequence

from . import reading
from .cold_start import cold_starts
from .databases import Databases
from .measuring import Contestant, measure, python_calls
from .purchases import purchases
from .report import table
from .sizes import Size
from .webhook import first_delivery, sales, second_delivery, statements

# What each statement of a payment is for, in their order. One that isn't here fails the run.
STATEMENTS = (
    ("UPDATE credit_payments", "SQLite only: takes the write lock, in every mode of the driver"),
    (
        "WITH payment AS (INSERT INTO credit_payments",
        "locks the payment, since refunds may come at the same instant, then the purchase",
    ),
    ("SELECT credit_purchases", "after the locks: the purchase, what went back, what is posted"),
    ("INSERT INTO credit_grants", "the grant, whose key makes a second one impossible"),
    ("INSERT INTO ledger_entry", "the host's own receiver"),
    (
        "WITH event AS (INSERT INTO credit_webhook_events",
        "the inbox; facts and results: only where the grant still is",
    ),
    ("UPDATE credit_purchases", "facts and results, only where the grant still is"),
    ("INSERT INTO credit_webhook_events", "the inbox"),
)


def webhook(made: Databases, size: Size) -> str:
    """Ours, the reference and the floor; and ours for an event that was delivered before."""
    shops = sales(made, "ours", "reference", "floor")
    firsts = [first_delivery(sale) for sale in shops.values()]
    calls = {one.name: python_calls(one) for one in firsts}
    paid = measure(firsts, rounds=size.rounds, batch=size.batch)
    again = measure(
        [second_delivery(shops["ours"]), first_delivery(shops["reference"])],
        rounds=size.rounds,
        batch=size.batch,
    )
    rows: list[Sequence[object]] = [
        (name, f"{paid.milliseconds(name):.2f} ms", paid.ratio(name, "reference"), calls[name])
        for name in shops
    ]
    duplicate = python_calls(second_delivery(shops["ours"]))
    cpu, ratio = again.milliseconds("ours"), again.ratio("ours", "reference")
    rows.append(("ours, delivered before", f"{cpu:.2f} ms", ratio, duplicate))
    return table(("", "CPU", "of the reference's (rounds)", "Python calls"), rows)


def statements_of_a_payment(made: Databases, size: Size) -> str:
    rows = []
    for statement in statements(sales(made, "ours")["ours"]):
        ((start, why),) = [one for one in STATEMENTS if statement.startswith(one[0])]
        rows.append((f"`{start} …`", why))
    return table(("statement", "why"), rows)


def requests_of_buyers(made: Databases, size: Size) -> str:
    host = reading.shop(made)
    rows = []
    for title, pair in (
        ("`GET /packages`", reading.packages(host)),
        ("`GET /history`, 50 purchases", reading.history(host)),
        ("`POST /purchase`", purchases(made)),
    ):
        rows.append((title, *_compared(pair, size)))
    return table(("", "CPU", "of the reference's (rounds)", "Python calls"), rows)


def _compared(pair: Sequence[Contestant], size: Size) -> tuple[object, ...]:
    ours, _ = pair
    calls = python_calls(ours)
    taken = measure(pair, rounds=size.rounds, batch=size.batch)
    return f"{taken.milliseconds('ours'):.2f} ms", taken.ratio("ours", "reference"), calls


def start(size: Size) -> str:
    rows = []
    for kind, taken in cold_starts(size.starts).items():
        ours = taken["import"] + taken["init_app"]
        both = ("import", "init_app", "first payment", "second payment")
        shown = [f"{1000 * taken[step]:.0f} ms" for step in both]
        shown[2:2] = [f"{1000 * ours:.0f} ms", f"{ours / taken['host']:.1%}"]
        rows.append((kind, *shown))
    titles = ("", "import", "`init_app`", "together", "of the host's own start")
    return table((*titles, "first payment", "second payment"), rows)

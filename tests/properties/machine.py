"""A shop, its buyers, Stripe, a bank and a bad line, all at once, against a small model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, ClassVar

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.errors import Refuse
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX, Host
from ..payloads import encode, new_secret, sign
from .model import Sale

PACKAGES = ("starter", "standard", "pro")
USERS = ("alice", "bob")
MOST_OPEN = 3
BANK_ACCOUNT = "000123456789"

FAULTS = (
    "a_crash",
    "a_receiver_that_raises",
    "another_secret",
    "the_next_secret",
    "nobody_at_home",
)

Event = dict[str, Any]
any_of = st.integers(0, 999)
# When the events of an act get to us.
lines = st.sampled_from(["at once"] * 3 + ["backwards", "later", "later", "refused"])


class Killed(BaseException):
    """The process dies here: nothing of ours catches it."""


class World:
    """The real parts of a machine: wiped, not made, for each run.

    :ivar fails: whether the credit manager is out.
    :ivar refuses: whether it can never accept what it is handed.
    """

    def __init__(self, host: Host, sandbox: Sandbox, secrets: list[str]) -> None:
        self.host, self.sandbox, self.secrets = host, sandbox, secrets
        self.fails = self.refuses = False
        self.packages = host.rows(host.credits.Package)
        self.figures: Counter[str] = Counter()

    def book(self, grant: GrantSnapshot, session: Any) -> None:
        if self.fails:
            raise RuntimeError("the credit manager is out")
        if self.refuses:
            raise Refuse("never heard of them")
        values = {"id": grant.id, "user_id": grant.user_id, "credits": grant.credits}
        session.add(self.host.LedgerEntry(**values))

    def wipe(self) -> None:
        self.fails = self.refuses = False
        with self.sandbox.store.transaction():
            for table in ("objects", "idempotency"):
                self.sandbox.store.query(f"DELETE FROM {table}")
        with self.host.app.app_context(), self.host.db.engine.begin() as connection:
            for table in reversed(self.host.db.metadata.sorted_tables):
                connection.execute(sa.delete(table))
            connection.execute(sa.insert(self.host.credits.Package.__table__), self.packages)

    @contextmanager
    def killed_at(self, step: int) -> Iterator[None]:
        """Die before the statement or commit of this number."""
        with self.host.app.app_context():
            engine = self.host.db.engine
        steps = count(1)

        def die(*_: Any) -> None:
            if next(steps) == step:
                raise Killed

        # An event is told with one argument, a statement with six.
        def commit(_: sa.Connection) -> None:
            die()

        def statement(*_: Any) -> None:
            die()

        sa.event.listen(engine, "before_cursor_execute", statement)
        sa.event.listen(engine, "commit", commit)
        try:
            yield
        finally:
            sa.event.remove(engine, "before_cursor_execute", statement)
            sa.event.remove(engine, "commit", commit)


class Shop(RuleBasedStateMachine):
    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.host, self.sandbox = self.world.host, self.world.sandbox
        self.world.wipe()
        self.world.figures["runs"] += 1
        self.sales: list[Sale] = []
        self.taken: list[str] = []
        self.dropped: set[str] = set()
        self.secret = self.world.secrets[0]
        self.offers = {
            row["package_code"]: (row["credits"], row["unit_amount"], True)
            for row in self.world.packages
        }

    # Buyers

    @initialize(packages=st.lists(st.sampled_from(PACKAGES), min_size=1, max_size=3), line=lines)
    def open_shop(self, packages: list[str], line: str) -> None:
        for package in packages:
            self._buy("alice", package)
            self._pay(self.sales[-1])
        self._tell(line)

    @rule(user=st.sampled_from(USERS), package=st.sampled_from(PACKAGES), clicks=st.integers(1, 2))
    def buy(self, user: str, package: str, clicks: int) -> None:
        for _ in range(clicks):
            self._buy(user, package)

    def _buy(self, user: str, package: str) -> None:
        credits, amount, for_sale = self.offers[package]
        self.host.user = user
        answer = self.host.client.post(f"{PREFIX}/purchase", json={"package_code": package})
        if not for_sale:
            assert answer.status_code == 404
            return
        assert answer.status_code in (200, 201), answer.text
        told = answer.json
        same = [sale for sale in self.sales if sale.session_id == told["session_id"]]
        assert len(same) == (1 if answer.status_code == 200 else 0)
        if same:
            assert (same[0].user, same[0].package, same[0].amount) == (user, package, amount)
            return
        self.sales.append(
            Sale(user, package, credits, amount, told["session_id"], told["purchase_id"])
        )
        self._look_what_made_room(user)

    def _look_what_made_room(self, user: str) -> None:
        for sale in self.sales:
            if sale.state == "open" and self._session(sale)["status"] == "expired":
                sale.state = "expired"
        unpaid = [sale for sale in self.sales if (sale.user, sale.state) == (user, "open")]
        assert len(unpaid) <= MOST_OPEN

    @precondition(lambda self: self._in_state("open"))
    @rule(which=any_of, later=st.booleans(), line=lines)
    def pay(self, which: int, later: bool, line: str) -> None:
        self._pay(self._pick("open", which), later)
        self._tell(line)

    def _pay(self, sale: Sale, later: bool = False) -> None:
        if sale.state != "open":
            return
        card = {"card": BANK_ACCOUNT} if later else {}
        self.sandbox.pay(sale.session_id, wait_seconds=0, **card)
        sale.state = "waiting" if later else "paid"

    @precondition(lambda self: self.sales)
    @rule(which=any_of)
    def look(self, which: int) -> None:
        """The return page asks Stripe; nobody sees what is another's."""
        sale = self.sales[which % len(self.sales)]
        for user in USERS:
            self.host.user = user
            answer = self.host.client.get(f"{PREFIX}/purchases/{sale.purchase_id}")
            assert answer.status_code == (200 if user == sale.user else 404)
            history = self.host.client.get(f"{PREFIX}/history").json
            mine = {sale.purchase_id for sale in self.sales if sale.user == user}
            assert {item["id"] for item in history} == mine

    # Banks and the merchant

    @precondition(lambda self: self._in_state("waiting"))
    @rule(which=any_of, succeeded=st.booleans(), line=lines)
    def bank_answers(self, which: int, succeeded: bool, line: str) -> None:
        sale = self._pick("waiting", which)
        self.sandbox.settle_payment(sale.session_id, succeeded=succeeded)
        sale.state = "paid" if succeeded else "failed"
        self._tell(line)

    @precondition(lambda self: self._in_state("open"))
    @rule(which=any_of, line=lines)
    def expire(self, which: int, line: str) -> None:
        sale = self._pick("open", which)
        self.sandbox.expire(sale.session_id)
        sale.state = "expired"
        self._tell(line)

    @precondition(lambda self: any(sale.left for sale in self.sales))
    @rule(
        which=any_of,
        part=st.sampled_from([1, 2, 3, 7]),
        status=st.sampled_from(["succeeded", "pending", "requires_action"]),
        line=lines,
    )
    def refund(self, which: int, part: int, status: Any, line: str) -> None:
        possible = [sale for sale in self.sales if sale.left]
        sale = possible[which % len(possible)]
        amount = max(1, sale.left // part)
        made = self.sandbox.refund(self._payment(sale), amount, status=status)
        sale.refunds[made["id"]] = (amount, made["status"])
        self._tell(line)

    @precondition(lambda self: self._refunds())
    @rule(which=any_of, status=st.sampled_from(["succeeded", "failed", "canceled"]), line=lines)
    def settle_refund(self, which: int, status: Any, line: str) -> None:
        refunds = self._refunds()
        sale, key = refunds[which % len(refunds)]
        amount, before = sale.refunds[key]
        status = "failed" if before == "succeeded" else status
        self.sandbox.settle_refund(key, status)
        sale.refunds[key] = (amount, status)
        self._tell(line)

    @precondition(lambda self: self._in_state("paid"))
    @rule(which=any_of, part=st.sampled_from([1, 1, 2]), inquiry=st.booleans(), line=lines)
    def dispute(self, which: int, part: int, inquiry: bool, line: str) -> None:
        sale = self._pick("paid", which)
        amount = max(1, sale.amount // part)
        made = self.sandbox.dispute(self._payment(sale), amount, inquiry=inquiry)
        sale.disputes[made["id"]] = (amount, made["status"])
        self._tell(line)

    @precondition(lambda self: self._disputes())
    @rule(which=any_of, good=st.booleans(), line=lines)
    def dispute_moves_on(self, which: int, good: bool, line: str) -> None:
        disputes = self._disputes()
        sale, key = disputes[which % len(disputes)]
        amount, status = sale.disputes[key]
        if status == "warning_needs_response" and not good:
            self.sandbox.escalate(key)
            status = "needs_response"
        else:
            inquiry = status == "warning_needs_response"
            status = "warning_closed" if inquiry else "won" if good else "lost"
            self.sandbox.close_dispute(key, status)  # type: ignore[arg-type]
        sale.disputes[key] = (amount, status)
        self._tell(line)

    @precondition(lambda self: any(sale.ruling == "review" for sale in self.sales))
    @rule(which=any_of, verdict=st.sampled_from(["accept", "dismiss"]))
    def decide(self, which: int, verdict: str) -> None:
        waiting = [sale for sale in self.sales if sale.ruling == "review"]
        sale = waiting[which % len(waiting)]
        self._command("review", verdict, sale.purchase_id, "--reason", "asked the buyer")
        if verdict == "accept":
            sale.ruling = sale.held = None
        else:
            sale.ruling = "dismissed"
        self.world.figures[verdict] += 1

    @rule(
        package=st.sampled_from(PACKAGES),
        credits=st.integers(1, 2_000),
        amount=st.integers(50, 9_999),
        for_sale=st.booleans(),
    )
    def edit(self, package: str, credits: int, amount: int, for_sale: bool) -> None:
        """I10: what was sold before stays as it was."""
        table = self.host.credits.Package.__table__
        changes = {"credits": credits, "unit_amount": amount, "is_active": for_sale}
        with self.host.app.app_context(), self.host.db.engine.begin() as connection:
            connection.execute(
                sa.update(table).where(table.c.package_code == package).values(changes)
            )
        self.offers[package] = (credits, amount, for_sale)

    # The line between Stripe and us

    @precondition(lambda self: self._waiting())
    @rule(which=any_of, fault=st.sampled_from(FAULTS), step=any_of)
    def deliver_badly(self, which: int, fault: str, step: int) -> None:
        events = self._waiting()
        getattr(self, f"_with_{fault}")(events[which % len(events)], step)

    def _with_a_crash(self, event: Event, step: int) -> None:
        try:
            with self.world.killed_at(1 + step % 12):
                self._take(event)
        except Killed:
            self.world.figures["crashes"] += 1

    def _with_a_receiver_that_raises(self, event: Event, step: int) -> None:
        self.world.fails = True
        status = self._post(event)
        self.world.fails = False
        # 200 where nothing was due.
        assert status in (200, 503)
        if status == 200:
            self.taken.append(event["id"])

    def _with_another_secret(self, event: Event, step: int) -> None:
        before = self.host.row_counts()
        assert self._post(event, new_secret()) == 400
        assert self.host.row_counts() == before

    def _with_the_next_secret(self, event: Event, step: int) -> None:
        self.secret = self.world.secrets[step % 2]
        self._take(event)

    def _with_nobody_at_home(self, event: Event, step: int) -> None:
        self.dropped.add(event["id"])

    @rule(line=lines)
    def deliver(self, line: str) -> None:
        self._tell(line)

    @precondition(lambda self: self.taken)
    @rule(which=any_of)
    def deliver_again(self, which: int) -> None:
        key = self.taken[which % len(self.taken)]
        (event,) = [event for event in self._events() if event["id"] == key]
        assert self._post(event) == 200

    @rule()
    def reconcile(self) -> None:
        """I16: one run mends everything, whatever was lost."""
        undecided = any(sale.ruling == "review" for sale in self.sales)
        self._command("reconcile", "--apply", exit_code=1 if undecided else 0)
        self._check_all()

    # What always holds

    @invariant()
    def credits_are_explained(self) -> None:
        self.world.figures["steps"] += 1
        assert_invariants(self.host.app)
        posted: Counter[str] = Counter()
        by_user: Counter[str] = Counter()
        for grant in self.host.grants():
            posted[str(grant["purchase_id"])] += grant["credits"]
            by_user[grant["user_id"]] += grant["credits"]
        for user in USERS:
            assert self.host.balance(user) == by_user[user]
        for sale in self.sales:
            most = sale.credits if sale.state == "paid" else 0
            assert 0 <= posted[sale.purchase_id] <= most

    def teardown(self) -> None:
        """In the end everything that wasn't lost arrives, some of it twice, and a run mends."""
        for event in self._waiting():
            assert self._post(event) == 200
        self.reconcile()
        for event in self._events():
            assert self._post(event) == 200
        self._check_all()

    def _check_all(self) -> None:
        balances: Counter[str] = Counter()
        for sale in self.sales:
            row = self.host.purchase(sale.purchase_id)
            never_granted = sale.ruling == "dismissed" and row["completed_at"] is None
            assert (row["status"], row["amount_credits"], row["unit_amount"]) == (
                "failed" if never_granted else sale.status,
                sale.credits,
                sale.amount,
            )
            assert self._posted(row) == sale.balance
            balances[sale.user] += sale.balance
        for user in USERS:
            assert self.host.balance(user) == balances[user]

    def _command(self, *arguments: str, exit_code: int = 0) -> None:
        result = self.host.app.test_cli_runner().invoke(args=["credits", *arguments])
        assert result.exit_code == exit_code, result.output

    def _posted(self, row: Any) -> int:
        return sum(grant["credits"] for grant in self.host.grants(purchase_id=row["id"]))

    def _tell(self, line: str) -> None:
        if line == "later":
            return
        self.world.refuses = line == "refused"
        for event in self._waiting()[:: -1 if line == "backwards" else 1]:
            self._take(event)
        self.world.refuses = False
        for sale in self.sales:
            row = self.host.purchase(sale.purchase_id)
            if row["status"] == "review" and sale.ruling is None:
                self.world.figures["refusals"] += 1
                sale.ruling, sale.held = "review", self._posted(row)

    def _take(self, event: Event) -> None:
        assert self._post(event) == 200
        self.taken.append(event["id"])

    def _events(self) -> list[Event]:
        relevant = ("checkout.session.", "refund.", "charge.refunded", "charge.dispute.")
        return [event for event in self.sandbox.events() if event["type"].startswith(relevant)]

    def _waiting(self) -> list[Event]:
        gone = self.dropped | set(self.taken)
        return [event for event in self._events() if event["id"] not in gone]

    def _post(self, event: Event, secret: str | None = None) -> int:
        body = encode(event)
        header = {"Stripe-Signature": sign(body, secret or self.secret)}
        self.world.figures["deliveries"] += 1
        return self.host.post_body(body, **header).status_code

    def _session(self, sale: Sale) -> dict[str, Any]:
        return self.sandbox.session(sale.session_id)

    def _payment(self, sale: Sale) -> str:
        return str(self._session(sale)["payment_intent"])

    def _in_state(self, state: str) -> list[Sale]:
        return [sale for sale in self.sales if sale.state == state]

    def _pick(self, state: str, which: int) -> Sale:
        found = self._in_state(state)
        return found[which % len(found)]

    def _refunds(self) -> list[tuple[Sale, str]]:
        final = ("failed", "canceled")
        return [
            (sale, key)
            for sale in self.sales
            for key, (_, status) in sale.refunds.items()
            if status not in final
        ]

    def _disputes(self) -> list[tuple[Sale, str]]:
        """Those that aren't decided."""
        return [
            (sale, key)
            for sale in self.sales
            for key, (_, status) in sale.disputes.items()
            if status.endswith("needs_response")
        ]

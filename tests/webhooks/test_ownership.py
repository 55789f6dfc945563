"""Section B: whose is it? Credits go to the row's user, for the row's own session only."""

from __future__ import annotations

import itertools
import logging
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.signals import purchase_flagged

from ..hosts import Host, make_host
from ..payloads import checkout_session, event, new_api_key
from .hostile import nothing_written


def _without(mapping: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


# Sessions that somebody else made: `stripe trigger`, a payment link, another shop.
FOREIGN_METADATA: dict[str, Any] = {
    "absent": ...,
    "null": None,
    "empty": {},
    "an array": [],
    "text": "purchase_id",
    "another app's": {"order_id": "17"},
    "another site's": {"flask_stripe_credits": "shop.test", "purchase_id": str(uuid.uuid4())},
    "no site": {"purchase_id": str(uuid.uuid4())},
    "site is a number": {"flask_stripe_credits": 1, "purchase_id": str(uuid.uuid4())},
}


class TestNotOurs:
    @pytest.mark.parametrize("metadata", FOREIGN_METADATA.values(), ids=FOREIGN_METADATA)
    def test_S11_I8_B03_sessions_of_others_are_ignored(
        self, shared_host: Host, user: str, metadata: Any
    ) -> None:
        purchase = shared_host.add_purchase(user_id=user)
        session = checkout_session(purchase, id="cs_test_foreign", metadata=metadata)
        if metadata is ...:
            session = _without(session, "metadata")
        session["client_reference_id"] = None
        with nothing_written(shared_host):
            for kind in ("completed", "expired", "async_payment_failed"):
                answer = shared_host.post_event(event(f"checkout.session.{kind}", session))
                assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")

    def test_B03_another_site_may_name_our_purchase_and_still_isnt_ours(
        self, shared_host: Host, user: str
    ) -> None:
        purchase = shared_host.add_purchase(user_id=user)
        session = checkout_session(purchase, id="cs_test_other_site")
        session["metadata"]["flask_stripe_credits"] = "staging.shop.test"
        with nothing_written(shared_host):
            answer = shared_host.post_event(event("checkout.session.completed", session))
        assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")

    @pytest.mark.parametrize("mode", ["subscription", "setup", None, "", 1, "PAYMENT"])
    def test_I8_B04_only_the_payment_mode_is_ours(
        self, shared_host: Host, user: str, mode: Any
    ) -> None:
        purchase = shared_host.add_purchase(user_id=user)
        with nothing_written(shared_host):
            answer = shared_host.pay(purchase, mode=mode, amount_subtotal=None, amount_total=None)
        assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")

    @pytest.mark.parametrize(
        "account", ["acct_1ABC", {"id": "acct_1ABC", "object": "account"}, 1, "", {}, []]
    )
    def test_B05_events_of_connected_accounts_are_ignored_and_warned_of(
        self, shared_host: Host, user: str, account: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        document = shared_host.paid_event(shared_host.add_purchase(user_id=user))
        with nothing_written(shared_host):
            answer = shared_host.post_event(document | {"account": account})
        assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")
        assert "connected account" in caplog.text

    def test_B05_an_account_that_is_null_is_our_own(self, shared_host: Host, user: str) -> None:
        document = shared_host.paid_event(shared_host.add_purchase(user_id=user))
        assert shared_host.post_event(document | {"account": None}).status_code == 200
        assert shared_host.ledger(user) == [1000]

    @pytest.mark.parametrize(
        ("key_mode", "event_livemode", "session_livemode"),
        list(itertools.product(["test", "live"], [True, False], [True, False])),
    )
    def test_I8_B30_only_the_keys_own_mode_counts(
        self,
        new_database: Callable[[str], str],
        caplog: pytest.LogCaptureFixture,
        key_mode: str,
        event_livemode: bool,
        session_livemode: bool,
    ) -> None:
        live = key_mode == "live"
        host = make_host(new_database("sqlite"), STRIPE_SECRET_KEY=new_api_key(key_mode))
        purchase = host.add_purchase(livemode=live)
        session = checkout_session(purchase, livemode=session_livemode)
        document = event("checkout.session.completed", session, livemode=event_livemode)
        before = host.row_counts()
        with caplog.at_level(logging.WARNING):
            assert host.post_event(document).status_code == 200
        if event_livemode is session_livemode is live:
            assert host.ledger() == [1000]
        else:
            assert (host.ledger(), host.row_counts()) == ([], before)
            assert "of the other mode" in caplog.text
            assert host.purchase(purchase["id"]) == purchase

    @pytest.mark.parametrize("livemode", [None, 0, "false", []])
    def test_B30_a_mode_that_cant_be_read_is_not_ours(
        self, shared_host: Host, user: str, livemode: Any
    ) -> None:
        document = shared_host.paid_event(shared_host.add_purchase(user_id=user))
        with nothing_written(shared_host):
            assert shared_host.post_event(document | {"livemode": livemode}).status_code == 200
            document["data"]["object"]["livemode"] = livemode
            assert shared_host.post_event(document).status_code == 200
        assert shared_host.ledger(user) == []


class TestMetadata:
    def test_S2_B06_hostile_metadata_moves_nothing(self, host: Host) -> None:
        purchase = host.add_purchase()
        metadata = {
            "flask_stripe_credits": "local",
            "purchase_id": str(purchase["id"]),
            "user_id": "mallory",
            "credits": "1000000000",
            "amount_credits": 1_000_000_000,
            "package_code": "enterprise",
            "price_id": "price_1",
            "status": "refunded",
        }
        assert host.pay(purchase, metadata=metadata).status_code == 200
        assert host.ledger("alice") == [1000]
        assert host.ledger("mallory") == []
        (grant,) = host.grants()
        assert (grant["user_id"], grant["credits"]) == ("alice", 1000)

    def test_B07_every_pair_of_purchase_and_session_grants_on_the_diagonal_only(
        self, database_url: str
    ) -> None:
        """A session is worth what its own purchase says, whatever purchase it names."""
        sizes = (10, 1_000, 35_000)
        for paid_by, named in itertools.product(range(3), repeat=2):
            if paid_by == 0 and named == 0:
                host = make_host(database_url)
            user = f"pair {paid_by} {named}"
            purchases = [
                host.add_purchase(user_id=user, unit_amount=size, amount_credits=size)
                for size in sizes
            ]
            session = checkout_session(purchases[paid_by])
            session["metadata"]["purchase_id"] = str(purchases[named]["id"])
            session["client_reference_id"] = str(purchases[named]["id"])
            document = event("checkout.session.completed", session)
            for _ in range(2):
                assert host.post_event(document).status_code == 200
            assert host.ledger(user) == [sizes[paid_by]]
            for number, purchase in enumerate(purchases):
                if number != paid_by:
                    assert host.purchase(purchase["id"]) == purchase
                    assert host.pay(purchase).status_code == 200
            assert sorted(host.ledger(user)) == sorted(sizes), "each is still payable by its own"

    def test_B07_a_strange_session_that_names_a_purchase_leaves_it_alone(self, host: Host) -> None:
        flagged: list[dict[str, Any]] = []

        def hear(sender: object, **arguments: Any) -> None:
            flagged.append(arguments)

        purchase_flagged.connect(hear, sender=host.app)
        purchase = host.add_purchase(unit_amount=35_000)
        cheap = checkout_session(
            purchase, id="cs_test_cheap", payment_intent="pi_cheap", amount_subtotal=1
        )
        document = event("checkout.session.completed", cheap)
        for _ in range(2):
            answer = host.post_event(document)
            assert (answer.status_code, answer.json["verdict"]) == (200, "review")
        assert host.ledger() == []
        assert host.purchase(purchase["id"]) == purchase
        (told,) = flagged
        assert told["purchase"].id == str(purchase["id"])
        assert "cs_test_cheap" in told["reason"]
        (audit,) = host.rows(host.credits.AuditLog)
        assert (audit["action"], audit["purchase_id"]) == ("event.review", purchase["id"])
        (inbox,) = host.rows(host.credits.WebhookEvent)
        assert (inbox["verdict"], inbox["purchase_id"]) == ("review", purchase["id"])
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]

    @pytest.mark.parametrize("kind", ["expired", "completed"])
    def test_an_open_or_expired_session_of_a_lost_attempt_is_nothing_to_decide(
        self, shared_host: Host, user: str, kind: str
    ) -> None:
        purchase = shared_host.add_purchase(user_id=user)
        lost = checkout_session(
            purchase,
            id="cs_test_lost",
            status="expired",
            payment_status="unpaid",
            payment_intent=None,
        )
        with nothing_written(shared_host):
            answer = shared_host.post_event(event(f"checkout.session.{kind}", lost))
        assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")

    @pytest.mark.parametrize("reference", [None, "client_reference_id"])
    def test_B08_a_known_session_needs_no_metadata(
        self, shared_host: Host, user: str, reference: str | None
    ) -> None:
        purchase = shared_host.add_purchase(user_id=user)
        session = _without(checkout_session(purchase), "metadata", "client_reference_id")
        if reference is not None:
            session[reference] = str(purchase["id"])
        answer = shared_host.post_event(event("checkout.session.completed", session))
        assert answer.status_code == 200
        assert shared_host.ledger(user) == [1000]

    def test_B08_our_site_and_the_client_reference_are_enough(
        self, shared_host: Host, user: str
    ) -> None:
        purchase = shared_host.add_purchase(user_id=user, stripe_checkout_session_id=None)
        session = checkout_session(purchase, metadata={"flask_stripe_credits": "local"})
        answer = shared_host.post_event(event("checkout.session.completed", session))
        assert answer.status_code == 200
        assert shared_host.ledger(user) == [1000]

    @pytest.mark.parametrize(
        "purchase_id",
        [
            "1",
            "",
            "not-a-uuid",
            "' OR 1=1 --",
            "0b7f5f7c-56a2-4a5c-8e43-6a1c9a3d7f1",
            "0B7F5F7C-56A2-4A5C-8E43-6A1C9A3D7F10",
            "{0b7f5f7c-56a2-4a5c-8e43-6a1c9a3d7f10}",
            "0b7f5f7c56a24a5c8e436a1c9a3d7f10",
            "0b7f5f7c-56a2-4a5c-8e43-6a1c9a3d7f10\n",
            "\x00",
            "\ud800",
            "\u0661" * 36,
            "x" * 10_000,
            1,
            1.5,
            True,
            None,
            [],
            {},
            ["0b7f5f7c-56a2-4a5c-8e43-6a1c9a3d7f10"],
        ],
    )
    def test_B09_a_purchase_id_that_is_none_is_ignored(
        self, shared_host: Host, purchase_id: Any
    ) -> None:
        session = checkout_session(
            {
                "id": purchase_id,
                "unit_amount": 1000,
                "currency": "usd",
                "user_id": "alice",
                "amount_credits": 1,
                "package_code": "starter",
                "stripe_checkout_session_id": "cs_test_nobodys",
            },
            payment_intent="pi_1",
            client_reference_id=purchase_id,
        )
        session["metadata"]["purchase_id"] = purchase_id
        with nothing_written(shared_host):
            answer = shared_host.post_event(event("checkout.session.completed", session))
        assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")

    def test_B09_on_PostgreSQL_too(self, postgres_host: Host) -> None:
        session = checkout_session(postgres_host.add_purchase(), id="cs_test_nobodys")
        with nothing_written(postgres_host):
            for purchase_id in ("\x00", "\ud800", "x" * 10_000, 1, None, "1"):
                session["metadata"]["purchase_id"] = purchase_id
                session["client_reference_id"] = purchase_id
                answer = postgres_host.post_event(event("checkout.session.completed", session))
                assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")


class TestOrphans:
    def test_C25_ours_without_a_row_is_an_alarm_and_kept_in_the_inbox(
        self, host: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        purchase = host.add_purchase()
        table = host.credits.Purchase.__table__
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.delete(table))
        answer = host.pay(purchase)
        assert (answer.status_code, answer.json["verdict"]) == (200, "orphan")
        assert "CRITICAL" in {record.levelname for record in caplog.records}
        (inbox,) = host.rows(host.credits.WebhookEvent)
        assert (inbox["verdict"], inbox["purchase_id"]) == ("orphan", purchase["id"])
        assert inbox["object_id"] == purchase["stripe_checkout_session_id"]
        assert host.ledger() == []
        purchase_again = {"id": purchase["id"], "user_id": "alice"}
        host.add_purchase(**purchase | purchase_again)
        assert host.pay(purchase).json["verdict"] == "handled"
        assert host.ledger() == [1000]


class TestTwoBuyers:
    def test_B33_two_tabs_with_two_sessions_are_two_purchases(self, host: Host) -> None:
        tabs = [host.add_purchase(), host.add_purchase()]
        for purchase in tabs * 2:
            assert host.pay(purchase).status_code == 200
        assert host.ledger("alice") == [1000, 1000]

    def test_B34_credits_go_to_the_rows_user_whoever_paid(self, host: Host) -> None:
        purchase = host.add_purchase(user_id="bob")
        host.user = "alice"
        payer = {"email": "alice@shop.test", "name": "Alice"}
        assert host.pay(purchase, customer_details=payer, customer="cus_alice").status_code == 200
        assert (host.ledger("bob"), host.ledger("alice")) == ([1000], [])

    def test_F22_users_that_differ_in_case_or_space_are_different(self, host: Host) -> None:
        users = ["alice", "Alice", "alice ", "al\u0131ce", "ALICE"]
        for user in users:
            host.pay(host.add_purchase(user_id=user))
        assert [host.ledger(user) for user in users] == [[1000]] * len(users)

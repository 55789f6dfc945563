from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from click.testing import Result

from ..hosts import Host, make_host
from ..payloads import event, refund
from ..reconciliation.shoppers import on_sqlite


def purchases(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "purchases", *arguments])


def json_lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


@on_sqlite
def test_a_table_for_people_in_the_purchases_own_currencies(host: Host) -> None:
    assert purchases(host, "list").output.splitlines()[1:] == ["none"]
    dear = host.add_purchase(currency="jpy", unit_amount=150_000, user_id="bob")
    cheap = host.add_purchase()
    host.pay(cheap)
    intent = host.purchase(cheap["id"])["stripe_payment_intent_id"]
    host.post_event(event("refund.created", refund(intent, 250)))
    lines = purchases(host, "list").output.splitlines()
    assert lines[0] == "Stripe in test mode, site local"
    heading, newest, oldest = (line.split() for line in lines[1:])
    assert heading[0] == "CREATED"
    assert newest[2:] == [
        str(cheap["id"]), "alice", "starter", "1,000", "$10.00", "$2.50", "completed",
    ]  # fmt: skip
    assert oldest[2:] == [str(dear["id"]), "bob", "starter", "1,000", "¥150,000", "pending"]
    assert (
        len({line.index(word) for line, word in zip(lines[2:], ["alice", "bob"], strict=True)}) == 1
    )


@on_sqlite
def test_pages_go_on_after_the_last_one(host: Host) -> None:
    ids = [str(host.add_purchase()["id"]) for _ in range(3)][::-1]
    first = purchases(host, "list", "--limit", "2").output.splitlines()
    assert first[-1] == f"there are more: add --after {ids[1]}"
    *rows, summary = json_lines(purchases(host, "list", "--limit", "2", "--json"))
    assert ([row["id"] for row in rows], summary) == (ids[:2], {"purchases": 2, "after": ids[1]})
    rest = json_lines(purchases(host, "list", "--after", ids[1], "--json"))
    assert ([row["id"] for row in rest[:-1]], rest[-1]["after"]) == ([ids[2]], None)


def test_every_filter_reaches_the_search(host: Host) -> None:
    wanted = host.add_purchase(user_id="bob", package_code="pro", package_name="Pro Pack")
    host.add_purchase()
    for option, value in (
        ("--user", "bob"),
        ("--package", "pro"),
        ("--text", "pro p"),
        ("--text", str(wanted["id"])),
    ):
        *rows, _ = json_lines(purchases(host, "list", option, value, "--json"))
        assert [row["id"] for row in rows] == [str(wanted["id"])], option
    for arguments, count in (
        (["--status", "pending"], 2),
        (["--status", "failed"], 0),
        (["--since", "1h"], 2),
        (["--until", "1h"], 0),
        (["--until", "2999-01-01"], 2),
    ):
        assert len(json_lines(purchases(host, "list", *arguments, "--json"))) == count + 1


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--user", ""], "--user: user_id is empty"),
        (["--text", "x" * 300], "--text: text is longer than 255 characters"),
        (["--since", "1h", "--until", "2h"], "--until: until isn't later than since"),
        (["--since", "yesterday"], "'yesterday' is none of 35d, 12h"),
        (["--status", "paid"], "'paid' is not one of 'pending'"),
        (["--limit", "0"], "1<=x<=1000"),
        (["--after", "1"], "is not a valid UUID"),
    ],
)
def test_bad_input_names_the_option(sqlite_host: Host, arguments: list[str], sentence: str) -> None:
    result = purchases(sqlite_host, "list", *arguments)
    assert (result.exit_code, sentence in result.output) == (2, True), result.output


def test_the_whole_story_with_what_it_means_and_what_helps_next(host: Host) -> None:
    purchase = host.add_purchase()
    paid = host.paid_event(purchase)
    host.post_event(paid)
    row = host.purchase(purchase["id"])
    id = str(row["id"])
    shown = purchases(host, "show", id).output
    lines = shown.splitlines()
    assert lines[1] == f"purchase {id}: completed"
    assert "  paid     $10.00" in lines
    kinds = [line.split()[2] for line in lines if line[:4].isdigit()]
    assert kinds == ["created", "event", "session", "grant", "delivery"]
    assert lines[-2:] == [
        "It is paid, and its credits are granted.",
        f"  next: `flask credits refund {id}` gives the money back",
    ]
    for reference in (
        row["stripe_checkout_session_id"],
        row["stripe_payment_intent_id"],
        paid["id"],
    ):
        assert purchases(host, "show", reference).output == shown
    told = json.loads(purchases(host, "show", id, "--json").output)
    assert (told["purchase"]["amount_paid"], told["purchase"]["currency"]) == (1000, "usd")
    assert [entry["kind"] for entry in told["timeline"]] == kinds


@on_sqlite
def test_a_purchase_in_review_names_the_decisions(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase, amount_subtotal=1)
    shown = purchases(host, "show", str(purchase["id"])).output
    assert "waits for a decision and no credits move: amount_subtotal is 1, expected 1000" in shown
    for decision in ("accept", "dismiss"):
        assert f"`flask credits review {decision} {purchase['id']}" in shown


@on_sqlite
def test_what_isnt_delivered_names_the_command_that_delivers(database_url: str) -> None:
    host = make_host(database_url, STRIPE_CREDITS_DELIVERY="outbox")
    purchase = host.add_purchase()
    host.pay(purchase)
    shown = purchases(host, "show", str(purchase["id"])).output
    assert "1 of its grants aren't delivered yet." in shown
    assert "next: `flask credits deliver`" in shown


@pytest.mark.parametrize(
    "reference", [str(uuid.UUID(int=1)), "alice", "\x1b[31m", "cs_test_nothing"]
)
def test_what_names_no_purchase_says_how_to_find_one(sqlite_host: Host, reference: str) -> None:
    result = purchases(sqlite_host, "show", reference)
    assert result.exit_code == 1
    assert "`flask credits purchases list --text …`" in result.output
    assert "\x1b" not in result.output


def test_an_event_that_no_purchase_is_known_for_names_the_command_that_replays_it(
    sqlite_host: Host,
) -> None:
    result = purchases(sqlite_host, "show", "evt_lost")
    assert (result.exit_code, "`flask credits replay evt_lost`" in result.output) == (1, True)


def test_nothing_in_a_name_steers_the_terminal(sqlite_host: Host) -> None:
    purchase = sqlite_host.add_purchase(user_id="eve\x1b[2J\nroot", package_name="\x9bPack")
    for arguments in (["list"], ["show", str(purchase["id"])]):
        result = sqlite_host.app.test_cli_runner().invoke(
            args=["credits", "purchases", *arguments], color=True
        )
        assert r"eve\x1b[2J\nroot" in result.output
        assert not {"\x1b", "\x9b"} & set(result.output)


@on_sqlite
def test_reading_needs_no_key_of_stripe(database_url: str) -> None:
    host = make_host(database_url, STRIPE_SECRET_KEY=None)
    purchase = host.add_purchase()
    result = purchases(host, "show", str(purchase["id"]))
    assert result.exit_code == 0
    assert result.output.startswith("Stripe in unknown mode, site local\n")

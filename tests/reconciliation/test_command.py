from __future__ import annotations

import datetime as dt
import json

import pytest

from flask_stripe_credits.cli import moments
from flask_stripe_credits.cli import reconcile as command
from flask_stripe_credits.gateway import connection
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..payloads import new_api_key
from ..stripe_stub import NewShop, StripeStub
from .shoppers import (
    CLEAN,
    DRIFT,
    SOMEBODY,
    assert_in_line,
    buy_and_pay,
    everything,
    on_sqlite,
    run,
)

SESSIONS = "GET /v1/checkout/sessions"
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def test_the_last_line_of_json_sums_up(small_shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(small_shop, stripe)
    finding, summary = map(json.loads, run(small_shop, "--apply", "--json").stdout.splitlines())
    assert finding == {
        "kind": "paid",
        "purchase_id": str(purchase["id"]),
        "user_id": "alice",
        "stripe_id": purchase["stripe_checkout_session_id"],
        "credits": 1000,
        "text": "$10.00 was paid at Stripe, it is pending here",
        "repaired": True,
        "needs_somebody": False,
        "error": None,
    }
    since = dt.datetime.fromisoformat(summary.pop("since"))
    assert dt.timedelta(days=34) < dt.datetime.now(dt.UTC) - since < dt.timedelta(days=36)
    assert summary.pop("run") == small_shop.grants()[0]["cause"]
    assert summary == {
        "livemode": False,
        "site": "local",
        "applied": True,
        "finished": True,
        "compared": {"refunds": 0, "disputes": 0, "sessions": 1, "sessions of this site": 1},
        "found": {"paid": 1},
        "to_repair": 0,
        "repaired": 1,
        "errors": 0,
        "need_somebody": 0,
        "credits_granted": 1000,
        "credits_taken": 0,
    }


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("35d", NOW - dt.timedelta(days=35)),
        ("12h", NOW - dt.timedelta(hours=12)),
        ("2026-10-31", dt.datetime(2026, 10, 31, tzinfo=dt.UTC)),
        ("9999d", NOW - dt.timedelta(days=9999)),
        ("2026-10-31T08:00Z", dt.datetime(2026, 10, 31, 8, tzinfo=dt.UTC)),
        ("2026-10-31T08:00+02:00", dt.datetime(2026, 10, 31, 6, tzinfo=dt.UTC)),
        *((text, None) for text in ("", "35", "-1d", "1w", "٣d", "yesterday", "99999d")),
    ],
)
def test_since_is_an_age_a_date_or_a_time(text: str, meant: dt.datetime | None) -> None:
    assert moments.moment_of(text, NOW) == meant


def test_since_is_whole_seconds_as_stripe_counts() -> None:
    """Else what was created in that second would be both in Stripe's list and older than it."""
    for text in ("35d", "2026-10-31T08:00:00.7Z"):
        assert moments.Since().convert(text, None, None).microsecond == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "soon"),
        ("--since", "2999-01-01"),
        ("--rebuild", "cs_test_1"),
        ("--rebuild", "cs_test_1", "--user", "alice"),
        ("--rebuild", "cs_test_1", "--user", "", "--package", "starter"),
        ("--user", "alice"),
        ("--by", "Ann"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(
    new_shop: NewShop, stub: StripeStub, arguments: tuple[str, ...]
) -> None:
    shop = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    assert run(shop, *arguments).exit_code == 2
    assert stub.requests == []


@pytest.mark.parametrize(
    ("mode", "arguments", "problem"),
    [
        ("live", ("--apply",), "the API key is a live key: add --live if that is meant"),
        (
            "live",
            ("--rebuild", "cs_1", "--user", "a", "--package", "starter"),
            "the API key is a live key: add --live if that is meant",
        ),
        ("test", ("--live",), "--live was given, but the API key is a test key"),
        ("test", ("--live", "--apply"), "--live was given, but the API key is a test key"),
    ],
)
def test_F25_live_purchases_are_only_touched_when_that_is_said(
    new_shop: NewShop, stub: StripeStub, mode: str, arguments: tuple[str, ...], problem: str
) -> None:
    shop = new_shop(STRIPE_CREDITS_API_BASE=stub.url, STRIPE_SECRET_KEY=new_api_key(mode))
    result = run(shop, *arguments)
    assert (result.exit_code, f"Error: {problem}" in result.output) == (1, True)
    assert stub.requests == []


@pytest.mark.parametrize(("arguments", "code"), [((), CLEAN), (("--apply", "--live"), CLEAN)])
def test_F25_a_live_key_reads_live_and_says_so(
    new_shop: NewShop, stub: StripeStub, arguments: tuple[str, ...], code: int
) -> None:
    stub.answer({"object": "list", "data": [], "has_more": False})
    shop = new_shop(STRIPE_CREDITS_API_BASE=stub.url, STRIPE_SECRET_KEY=new_api_key("live"))
    shop.add_purchase(livemode=False)
    result = run(shop, *arguments)
    assert (result.exit_code, "Stripe in live mode, site local" in result.output) == (code, True)


@on_sqlite
@pytest.mark.parametrize("status", [429, 500])
def test_an_outage_in_the_middle_is_waited_for(
    shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(connection, "PAGE_SIZE", 2)
    for number in range(5):
        buy_and_pay(shop, stripe, f"user {number}")
    fail_after_first_page(stripe, status, times=3)
    result = run(shop, "--apply")
    assert result.exit_code == CLEAN, result.output
    assert shop.ledger() == [1000] * 5


@on_sqlite
def test_what_was_done_before_a_long_outage_stays_and_the_next_run_does_the_rest(
    shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGE_SIZE", 2)
    for number in range(5):
        buy_and_pay(shop, stripe, f"user {number}")
    fail_after_first_page(stripe, 429, times=50)
    result = run(shop, "--apply")
    assert result.exit_code == 1
    assert "NOT FINISHED, so far: 2 repaired (+2000 -0 credits)" in result.output
    assert "Error: Stripe is not available (RateLimitError)" in result.output
    assert shop.ledger() == [1000] * 2
    stripe.faults.clear()
    result = run(shop, "--apply")
    assert "3 repaired (+3000 -0 credits)" in result.output
    assert sorted(row["user_id"] for row in shop.rows(shop.LedgerEntry)) == [
        f"user {number}" for number in range(5)
    ]
    assert_in_line(shop)


def fail_after_first_page(stripe: Sandbox, status: int, *, times: int) -> None:
    def begin(_: object) -> None:
        for _number in range(times):
            stripe.faults.next(SESSIONS, status=status)

    stripe.faults.next(SESSIONS, before_reply=begin)


@on_sqlite
def test_A18_what_is_bought_while_the_list_is_read_moves_nothing(
    shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGE_SIZE", 2)
    for number in range(5):
        buy_and_pay(shop, stripe, f"user {number}")

    def buy_more(answer: object) -> None:
        later.append(buy_and_pay(shop, stripe, f"later {len(later)}"))
        if len(later) < 3:
            stripe.faults.next(SESSIONS, before_reply=buy_more)

    later: list[dict[str, object]] = []
    stripe.faults.next(SESSIONS, before_reply=buy_more)
    assert "5 repaired" in run(shop, "--apply").output
    assert "3 repaired" in run(shop, "--apply").output
    assert shop.ledger() == [1000] * 8


def test_D05_a_key_that_stripe_refuses_ends_the_run(small_shop: Host, stripe: Sandbox) -> None:
    buy_and_pay(small_shop, stripe)
    before = everything(small_shop)
    stripe.faults.next("GET /v1/refunds", status=401)
    result = run(small_shop, "--apply")
    assert (result.exit_code, "Error: Stripe refused the API key" in result.output) == (1, True)
    assert everything(small_shop) == before


def test_a_long_run_tells_on_the_standard_error_how_far_it_is(
    small_shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PROGRESS_EVERY_SECONDS", 0.0)
    buy_and_pay(small_shop, stripe)
    result = run(small_shop, "--json")
    assert result.exit_code == DRIFT
    assert "1 checkout sessions compared, back to " in result.stderr
    for line in result.stdout.splitlines():
        json.loads(line)


def test_without_tables_it_says_what_to_do(new_shop: NewShop, stripe: Sandbox) -> None:
    shop = new_shop()
    with shop.app.app_context():
        shop.db.drop_all()
    # Whether Stripe is there or not: nothing listens at the second address.
    for api_base in (stripe.url, "http://127.0.0.1:9"):
        result = run(make_host(shop.db_url, tables=False, STRIPE_CREDITS_API_BASE=api_base))
        assert result.exit_code == SOMEBODY
        assert "run `flask credits db upgrade`" in result.output


def test_who_repaired_what_is_in_the_audit_log(shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(shop, stripe)
    refused = run(shop, "--by", "olivia")
    assert (refused.exit_code, "--by goes with --apply and --rebuild" in refused.output) == (
        2,
        True,
    )
    assert run(shop, "--apply", "--by", "olivia").exit_code == CLEAN
    (line,) = shop.rows(shop.credits.AuditLog, purchase_id=purchase["id"])
    (grant,) = shop.grants()
    assert (line["actor"], line["action"]) == ("olivia", "purchase.reconciled")
    assert line["details"] == {"run": grant["cause"]}

"""What the endpoint does with the secrets that it has, and without any."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from flask_stripe_credits.errors import ConfigurationError

from ..hosts import make_host
from ..payloads import encode, new_secret, sign
from .hostile import nothing_written, post

UNUSABLE: dict[str, Any] = {
    "E01-unset": None,
    "E01-empty": "",
    "E01-blank": "  \n",
    "E01-empty list": [],
    "E01-list of blanks": ["", " "],
    "E02-placeholder": "whsec_placeholder",
    "E02-test": "whsec_test",
    "E02-dots": "whsec_...",
    "E02-prefix only": "whsec_",
    "E02-crosses": "whsec_" + "X" * 32,
    "E02-your secret here": "whsec_your_webhook_secret_goes_here",
    "E02-one character": "whsec_" + "a" * 32,
    "E02-too short": "whsec_" + "a1b2c3" * 3,
    "E02-no prefix": "a1b2c3d4" * 5,
    "E02-an API key": "sk_test_" + "a1b2c3d4" * 4,
    "E02-list of placeholders": ["whsec_placeholder", "whsec_test"],
}


@pytest.mark.parametrize("secret", UNUSABLE.values(), ids=UNUSABLE)
def test_E01_E02_without_a_usable_secret_nothing_is_accepted(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture, secret: Any
) -> None:
    host = make_host(new_database("sqlite"), STRIPE_WEBHOOK_SECRET_CREDITS=secret)
    critical = [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]
    assert len(critical) == 1
    assert critical[0].startswith("STRIPE_WEBHOOK_SECRET_CREDITS")
    body = encode(host.paid_event(host.add_purchase()))
    known = [secret] if isinstance(secret, str) else secret or [""]
    with nothing_written(host):
        for header in (None, *(sign(body, value) for value in known), sign(body, "")):
            answer = post(host, body, header)
            assert answer.status_code == 503
            assert answer.json is not None and answer.json["code"] == "not_configured"
            assert int(answer.headers["Retry-After"]) > 0
    assert host.ledger() == []


def test_E01_the_commands_that_could_mend_it_still_work(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(
        new_database("sqlite"), STRIPE_WEBHOOK_SECRET_CREDITS=None, STRIPE_SECRET_KEY=None
    )
    host.load_packages()
    assert len(host.rows(host.credits.Package)) == 4


def test_E01_without_an_API_key_the_mode_isnt_known_and_nothing_is_accepted(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(new_database("sqlite"), STRIPE_SECRET_KEY="")
    purchase = host.add_purchase()
    with nothing_written(host):
        answer = host.pay(purchase)
    assert answer.status_code == 503
    assert answer.json is not None and answer.json["code"] == "not_configured"


def test_E02_a_placeholder_beside_a_good_secret_opens_nothing(
    new_database: Callable[[str], str],
) -> None:
    secret = new_secret()
    host = make_host(
        new_database("sqlite"), STRIPE_WEBHOOK_SECRET_CREDITS=["whsec_placeholder", secret]
    )
    body = encode(host.paid_event(host.add_purchase()))
    with nothing_written(host):
        assert post(host, body, sign(body, "whsec_placeholder")).status_code == 400
    assert post(host, body, sign(body, secret)).status_code == 200
    assert host.ledger() == [1000]


@pytest.mark.parametrize("dressed", ["{}\n", " {} ", "\t{}\r\n"])
def test_E03_white_space_around_the_secret_is_ignored_and_told(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture, dressed: str
) -> None:
    secret = new_secret()
    host = make_host(new_database("sqlite"), STRIPE_WEBHOOK_SECRET_CREDITS=dressed.format(secret))
    host.webhook_secret = secret
    assert "has white space around it" in caplog.text
    assert secret not in caplog.text
    assert host.pay(host.add_purchase()).status_code == 200
    assert host.ledger() == [1000]


@pytest.mark.parametrize("tolerance", [0, -1, 3601, 0.5, "0", True])
def test_E11_a_tolerance_that_would_let_replays_in_is_refused(
    new_database: Callable[[str], str], tolerance: Any
) -> None:
    with pytest.raises(ConfigurationError, match="TOLERANCE"):
        make_host(new_database("sqlite"), STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS=tolerance)


def test_E25_neither_testing_nor_debugging_skips_the_check(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(new_database("sqlite"), TESTING=True, DEBUG=True)
    body = encode(host.paid_event(host.add_purchase()))
    with nothing_written(host):
        assert post(host, body, None).status_code == 400


def test_E26_a_secret_that_comes_with_the_request_opens_nothing(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(new_database("sqlite"))
    secret = new_secret()
    body = encode(host.paid_event(host.add_purchase()))
    names = ("Stripe-Webhook-Secret", "X-Stripe-Secret", "X-Webhook-Secret", "Authorization")
    with nothing_written(host):
        answer = post(
            host,
            body,
            sign(body, secret),
            headers=dict.fromkeys(names, secret),
            query_string={"secret": secret},
        )
    assert answer.status_code == 400

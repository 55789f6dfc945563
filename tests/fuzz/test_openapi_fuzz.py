"""I12, F20: whatever is sent to any route, the answer is one that ``openapi.json`` describes.

Schemathesis makes requests that fit the document and requests that don't, and checks every answer:
no outage, a status, a type and a body that are described, what doesn't fit is refused, and nobody
is served who isn't signed in.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

import pytest
import schemathesis
from flask import request
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.web.openapi import openapi_document

from ..figures import Figures
from ..hosts import PREFIX, Host, make_host
from ..profiles import long, short

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
OPERATIONS = [
    (method.upper(), path)
    for path, operations in openapi_document(PREFIX)["paths"].items()
    for method in operations
]
PACKAGES = ("starter", "standard", "pro", "enterprise", "no-such-package")
# They take nothing, so there is nothing that doesn't fit.
WITHOUT_INPUT = {
    ("GET", path)
    for path in (
        *("/packages", "/openapi.json", "/health", "/health/live", "/metrics"),
        *("/admin/packages", "/admin/reviews"),
    )
}
# Nobody can guess a signature, which tests/fuzz/test_webhook_fuzz.py makes, or a token.
UNGUESSABLE = {("POST", "/webhook"): 400, ("GET", "/metrics"): 401}

ALL_CALLS = [
    (*operation, mode)
    for operation in OPERATIONS
    for mode in (POSITIVE, NEGATIVE)
    if not (mode is NEGATIVE and operation in WITHOUT_INPUT)
]
CALLS = [call for call in ALL_CALLS if not call[1].startswith("/admin/")]
ADMIN_CALLS = [call for call in ALL_CALLS if call not in CALLS]


class _Bearer:
    def get(self, case: Any, context: Any) -> str:
        return "alice"

    def set(self, case: Any, token: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


def _bearer() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return "alice" if (scheme, token) == ("Bearer", "alice") else None


@pytest.fixture
def signed_in_shop(database_url: str, stripe: Sandbox, quick_retries: None) -> Host:
    """A shop that serves ``Authorization: Bearer alice`` and nobody else."""
    host = make_host(
        database_url,
        STRIPE_CREDITS_API_BASE=stripe.url,
        STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR=10_000,
        STRIPE_CREDITS_METRICS_TOKEN=secrets.token_urlsafe(24),
    )
    host.credits.user_id_loader(_bearer)
    host.load_packages()
    return host


@pytest.fixture
def administrators_shop(postgres_database_url: str, stripe: Sandbox, quick_retries: None) -> Host:
    """A shop whose ``Authorization: Bearer alice`` is an administrator's.

    PostgreSQL is the stricter one about texts and numbers.
    """
    host = make_host(postgres_database_url, STRIPE_CREDITS_API_BASE=stripe.url)
    host.credits.user_id_loader(_bearer)
    host.credits.admin_check(lambda: True)
    host.load_packages()
    return host


def _schema(host: Host) -> Any:
    schema = schemathesis.openapi.from_wsgi(f"{PREFIX}/openapi.json", host.app)
    # Headers of its own making would be taken for a sign-in that must not work.
    schema.config.generation.with_security_parameters = False
    # What the document can't say: which packages exist and where buyers may be sent.
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "422"]
    schema.auth()(_Bearer)
    return schema


def _fuzz(
    host: Host, method: str, path: str, mode: GenerationMode, profile: settings
) -> Counter[int]:
    """Send requests made for one operation; return how often each status was answered."""
    ids = [str(host.add_purchase(user_id=user)["id"]) for user in ("alice", "bob")]
    own = ids[0]
    guess = st.none() | st.sampled_from(PACKAGES)
    answers: Counter[int] = Counter()

    @profile
    @given(_schema(host)[path][method].as_strategy(mode), guess, st.none() | st.sampled_from(ids))
    def send(case: Any, package: str | None, purchase_id: str | None) -> None:
        asked = None
        if mode is POSITIVE and package is not None and isinstance(case.body, dict) and case.body:
            case.body = {"package_code": package}
        if mode is POSITIVE and purchase_id is not None and case.path_parameters:
            case.path_parameters["purchase_id"] = asked = purchase_id
        excluded = []
        if (method, path) in UNGUESSABLE:
            excluded = [positive_data_acceptance]
        answer = case.call_and_validate(excluded_checks=excluded)
        answers[answer.status_code] += 1
        if asked is not None:
            assert answer.status_code == (200 if asked == own else 404)

    send()
    return answers


def _check(
    host: Host, method: str, path: str, mode: GenerationMode, profile: settings
) -> Counter[int]:
    answers = _fuzz(host, method, path, mode, profile)
    if mode is POSITIVE:
        expected = UNGUESSABLE.get((method, path), 200)
        assert answers[expected] or answers[201], "nothing ever fitted: this proves nothing"
    assert (host.ledger(), host.grants(), host.rows(host.credits.WebhookEvent)) == ([], [], [])
    prices = {row["package_code"]: row["unit_amount"] for row in host.rows(host.credits.Package)}
    for row in host.purchases(user_id="alice"):
        assert row["unit_amount"] == prices[row["package_code"]]
        # At the cap of open sessions the oldest is expired.
        assert row["status"] in ("pending", "expired")
    return answers


def _fuzz_admin(
    host: Host, method: str, path: str, mode: GenerationMode, profile: settings
) -> Counter[int]:
    """As an administrator; half of the time about something that there is."""
    purchase = str(host.add_purchase()["id"])
    there = {
        "purchase_id": purchase,
        "target": purchase,
        "package_code": "starter",
        "event_id": "evt_1",
    }
    schema = _schema(host)
    expected = ["2xx", "404", "409", "422"]
    schema.config.checks.positive_data_acceptance.expected_statuses = expected
    answers: Counter[int] = Counter()

    @profile
    @given(schema[path][method].as_strategy(mode), st.booleans())
    def send(case: Any, real: bool) -> None:
        if mode is POSITIVE and real:
            for name in case.path_parameters or ():
                case.path_parameters[name] = there[name]
        excluded = []
        if mode is NEGATIVE and path == "/admin/events/{event_id}/replay":
            # Any text may be an event's id; what it isn't is told.
            excluded = [negative_data_rejection]
        answers[case.call_and_validate(excluded_checks=excluded).status_code] += 1

    send()
    return answers


def _check_admin(
    host: Host, method: str, path: str, mode: GenerationMode, profile: settings
) -> Counter[int]:
    answers = _fuzz_admin(host, method, path, mode, profile)
    if mode is POSITIVE:
        assert set(answers) & {200, 201, 409}, "nothing ever fitted: this proves nothing"
    assert (host.ledger(), host.grants()) == ([], [])
    assert host.rows(host.credits.RefundRequest) == []
    return answers


def _name(value: object) -> str:
    return value.value if isinstance(value, GenerationMode) else str(value)


@pytest.mark.parametrize(("method", "path", "mode"), CALLS, ids=_name)
def test_F01_F03_F10_F12_F20_I12_every_route_answers_as_described(
    signed_in_shop: Host, method: str, path: str, mode: GenerationMode
) -> None:
    _check(signed_in_shop, method, path, mode, short(40))


@pytest.mark.parametrize(("method", "path", "mode"), ADMIN_CALLS, ids=_name)
def test_F12_I12_every_route_of_administrators_answers_as_described(
    administrators_shop: Host, method: str, path: str, mode: GenerationMode
) -> None:
    _check_admin(administrators_shop, method, path, mode, short(8))


@pytest.mark.soak
@pytest.mark.parametrize(("method", "path", "mode"), ADMIN_CALLS, ids=_name)
def test_I12_every_route_of_administrators_answers_as_described_for_long(
    administrators_shop: Host,
    method: str,
    path: str,
    mode: GenerationMode,
    figures: Figures,
) -> None:
    answers = _check_admin(administrators_shop, method, path, mode, long(500))
    figures(requests=answers.total())
    figures.detail("answers", {str(status): count for status, count in sorted(answers.items())})


@pytest.mark.soak
@pytest.mark.parametrize(("method", "path", "mode"), CALLS, ids=_name)
def test_I12_every_route_answers_as_described_for_long(
    signed_in_shop: Host, method: str, path: str, mode: GenerationMode, figures: Figures
) -> None:
    answers = _check(signed_in_shop, method, path, mode, long(1_000))
    figures(requests=answers.total())
    figures.detail("answers", {str(status): count for status, count in sorted(answers.items())})

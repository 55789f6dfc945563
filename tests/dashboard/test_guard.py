"""The dashboard is for administrators: every address of it, without exception."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from flask import session
from werkzeug.routing import Rule

from flask_stripe_credits.web.pages.dashboard.messages import leave_message

from ..hosts import Host
from .conftest import DASHBOARD, OPERATOR, make_dashboard_host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return make_dashboard_host(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'shop.sqlite'}")


def addresses(host: Host, purchase_id: object) -> Iterator[tuple[str, str]]:
    """Method and address of everything that begins where the dashboard is."""
    for rule in host.app.url_map.iter_rules():
        if rule.rule.startswith(DASHBOARD):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield method, filled(rule, purchase_id)


def filled(rule: Rule, purchase_id: object) -> str:
    values = {"purchase_id": purchase_id, "decision": "accept"}
    return re.sub(
        r"<(?:\w+:)?(\w+)>", lambda found: str(values.get(found[1], purchase_id)), rule.rule
    )


def test_nobody_else_sees_or_does_anything(host: Host) -> None:
    purchase = host.add_purchase(user_id="bob")
    before = host.row_counts()
    found = list(addresses(host, purchase["id"]))
    assert {"GET", "POST"} == {method for method, _ in found}
    assert len(found) >= 14
    for method, address in found:
        host.user = "bob"
        answer = host.client.open(address, method=method)
        assert answer.status_code == 403, (method, address)
        assert "Not allowed" in answer.text
        assert str(purchase["stripe_checkout_session_id"]) not in answer.text
        host.user = None
        assert host.client.open(address, method=method).status_code == 401, (method, address)
    host.user = OPERATOR
    assert host.row_counts() == before


def test_an_administrator_gets_in(host: Host) -> None:
    purchase = host.add_purchase()
    host.user = OPERATOR
    for method, address in addresses(host, purchase["id"]):
        if method == "GET":
            assert host.client.get(address).status_code in (200, 404), address


def test_without_our_own_token_a_form_does_nothing(host: Host) -> None:
    purchase = host.add_purchase()
    host.user = OPERATOR
    before = host.row_counts()
    posted = [address for method, address in addresses(host, purchase["id"]) if method == "POST"]
    assert posted
    for address in posted:
        for form in ({}, {"csrf_token": "guessed", "reason": "x", "amount": "1"}):
            assert host.client.post(address, data=form).status_code == 400, address
    assert host.row_counts() == before


def test_only_administrators_are_shown_the_way(host: Host) -> None:
    link = f'href="{DASHBOARD}"'
    for user, shown in ((OPERATOR, True), ("bob", False)):
        host.user = user
        assert (link in host.client.get("/credits").text) is shown
    host.user = OPERATOR


def test_pages_are_kept_by_nobody_and_run_nothing_inline(host: Host) -> None:
    host.user = OPERATOR
    purchase = host.add_purchase(id=uuid.uuid4())
    for method, address in addresses(host, purchase["id"]):
        answer = host.client.open(address, method=method)
        assert answer.headers["Cache-Control"] == "no-store", address
        assert "style=" not in answer.text, address
        assert "<script>" not in answer.text, address
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in policy and "style-src 'self'" in policy


def test_an_address_that_no_database_can_look_for_is_not_found(database_url: str) -> None:
    host = make_dashboard_host(database_url)
    for address in ("events/%00/replay", "reviews/%00/accept", "packages/%00"):
        for odd in ("%00", "a%00b", "%ED%A0%80", "x" * 300):
            found = host.client.get(f"{DASHBOARD}/{address.replace('%00', odd)}")
            assert found.status_code == 404, found.request.path


def test_a_message_fits_into_the_session_of_a_browser(host: Host) -> None:
    with host.app.test_request_context():
        leave_message("".join(map(chr, range(0x4E00, 0x6000))), "bad")
        answer = host.app.make_response("")
        assert host.app.session_interface.save_session(host.app, session, answer) is None
        assert len(answer.headers["Set-Cookie"]) < 4_000


def test_forms_lead_back_to_where_the_app_is_mounted(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase)
    host.user = OPERATOR
    mounted = {"SCRIPT_NAME": "/shop"}
    address = f"{DASHBOARD}/purchases/{purchase['id']}/refund"
    page = host.client.get(f"{address}?amount=1", environ_overrides=mounted)
    assert f'action="/shop{address}"' in page.text

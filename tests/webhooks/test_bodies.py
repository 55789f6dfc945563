"""Signed bodies that no honest Stripe would send, and odd ones that it might."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..hosts import Host
from ..payloads import encode, event, new_secret, sign
from ..profiles import short
from .hostile import nothing_written, post

NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "text": b"event",
    "cut short": b'{"id": "evt_1", "type"',
    "goes on": b'{"id": "evt_1"} {}',
    "single quotes": b"{'id': 'evt_1'}",
    "a comma too many": b'{"id": "evt_1",}',
    "not UTF-8": b'{"id": "evt_\xff"}',
    "UTF-16": '{"id": "evt_1"}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"id": "evt_1"}',
    "NaN": b'{"id": NaN}',
    "Infinity": b'{"id": Infinity}',
    "-Infinity": b'{"id": -Infinity}',
    "control character": b'{"id": "evt_\x001"}',
    "arrays 200,000 deep": b"[" * 200_000,
    "closed arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 100,000 deep": b'{"a":' * 80_000 + b"1" + b"}" * 80_000,
    "integer of 5,000 digits": b'{"id": ' + b"9" * 5_000 + b"}",
    "a name twice": b'{"id": "evt_1", "id": "evt_2"}',
    "a name twice far inside": b'{"data": {"object": {"a": [{"id": 1, "id": 2}]}}}',
}

NO_EVENT: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 1,
    "text": "x",
    "array": [],
    "array with an event": [event("checkout.session.completed", {"id": "cs_test_1"})],
    "empty object": {},
    "no type": {"id": "evt_1", "object": "event", "data": {"object": {"id": "cs_1"}}},
}


def _event(**overrides: Any) -> dict[str, Any]:
    return event("checkout.session.completed", {"id": "cs_test_1"}, **overrides)


NO_EVENT |= {
    "no id": {key: value for key, value in _event().items() if key != "id"},
    "no data": {key: value for key, value in _event().items() if key != "data"},
    "id is null": _event(id=None),
    "id is a number": _event(id=1),
    "id is empty": _event(id=""),
    "id has a NUL": _event(id="evt_\x00"),
    "id has half a character": _event(id="evt_\ud800"),
    "id has a line break": _event(id="evt_1\n"),
    "id isn't ASCII": _event(id="evt_\u0661"),
    "id is too long": _event(id="evt_" + "1" * 252),
    "type is null": _event(type=None),
    "type is a number": _event(type=1),
    "type is an array": _event(type=[]),
    "type has a NUL": _event(type="checkout.session.completed\x00"),
    "type is too long": _event(type="a" * 256),
    "data is null": _event(data=None),
    "data is an array": _event(data=[]),
    "data is empty": _event(data={}),
    "object is null": _event(data={"object": None}),
    "object is text": _event(data={"object": "cs_test_1"}),
    "object is an array": _event(data={"object": [{"id": "cs_test_1"}]}),
    "session has no id": _event(data={"object": {}}),
    "session id is null": _event(data={"object": {"id": None}}),
    "session id is a number": _event(data={"object": {"id": 1}}),
    "session id has a NUL": _event(data={"object": {"id": "cs_\x00"}}),
    "session id has half a character": _event(data={"object": {"id": "cs_\udfff"}}),
    "session id is too long": _event(data={"object": {"id": "cs_" + "1" * 253}}),
    "thin event": {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": "v1.checkout.session.completed",
        "related_object": {"id": "cs_test_1", "type": "checkout.session"},
    },
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_E18_signed_bodies_that_arent_strict_JSON_are_malformed(
    shared_host: Host, body: bytes
) -> None:
    with nothing_written(shared_host):
        answer = shared_host.post_body(body)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert answer.json is not None and answer.json["code"] == "malformed_event"


@pytest.mark.parametrize("document", NO_EVENT.values(), ids=NO_EVENT)
def test_E19_signed_JSON_that_is_no_event_is_malformed(
    shared_host: Host, document: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_written(shared_host):
        answer = shared_host.post_body(json.dumps(document).encode())
    assert answer.status_code == 400
    assert answer.json is not None and answer.json["code"] == "malformed_event"
    assert "Webhook delivery failed: Malformed event" in caplog.text


def test_A14_thin_events_are_named_in_the_log(
    shared_host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    assert shared_host.post_event(NO_EVENT["thin event"]).status_code == 400
    assert "thin events aren't supported" in caplog.text


@pytest.mark.parametrize(
    "spell",
    [
        lambda document: json.dumps(document, indent=7).encode(),
        lambda document: json.dumps(document, separators=(" ,  ", "  : ")).encode(),
        lambda document: b"\r\n\t " + json.dumps(document, sort_keys=True).encode() + b"\n\n",
        lambda document: json.dumps(dict(reversed(document.items()))).encode(),
        lambda document: json.dumps(document, ensure_ascii=False).encode(),
        lambda document: json.dumps(document).replace("c", "\\u0063").encode(),
    ],
    ids=["indented", "spaced", "surrounded", "reversed", "UTF-8", "escaped"],
)
def test_E20_the_raw_bytes_are_what_is_signed(
    shared_host: Host, user: str, spell: Callable[[dict[str, Any]], bytes]
) -> None:
    purchase = shared_host.add_purchase(user_id=user)
    document = shared_host.paid_event(purchase, customer_details={"name": "Zoë 😀"})
    assert shared_host.post_body(spell(document)).status_code == 200
    assert shared_host.ledger(user) == [1000]


def test_E20_the_same_document_in_other_bytes_is_refused(shared_host: Host, user: str) -> None:
    document = shared_host.paid_event(shared_host.add_purchase(user_id=user))
    header = sign(encode(document), shared_host.webhook_secret)
    with nothing_written(shared_host):
        assert post(shared_host, json.dumps(document).encode(), header).status_code == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["id", "object", "type", "data", "livemode", "account", "created", "api_version", "request"]
)


@short(80)
@given(st.dictionaries(names, json_values, max_size=6), json_values)
def test_E18_E19_I12_any_signed_JSON_is_answered_without_an_outage(
    shared_host: Host, replaced: dict[str, Any], data_object: Any
) -> None:
    document = _event(data={"object": data_object}) | replaced
    with nothing_written(shared_host):
        answer = shared_host.post_event(document)
    assert answer.status_code in (200, 400)


@short(80)
@given(st.binary(max_size=300))
def test_E18_I12_any_signed_bytes_are_answered_without_an_outage(
    shared_host: Host, body: bytes
) -> None:
    with nothing_written(shared_host):
        assert shared_host.post_body(body).status_code == 400


def test_E30_another_accounts_signed_event_is_refused(shared_host: Host, user: str) -> None:
    body = encode(shared_host.paid_event(shared_host.add_purchase(user_id=user)))
    with nothing_written(shared_host):
        assert post(shared_host, body, sign(body, new_secret())).status_code == 400

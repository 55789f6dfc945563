from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from flask_stripe_credits.config import read_settings
from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.errors import MalformedEvent
from flask_stripe_credits.gateway import Gateway, connection
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.stripe_objects import WebhookEndpoint
from flask_stripe_credits.webhook_endpoints import (
    API_VERSION,
    Kind,
    Wanted,
    compare,
    fingerprint,
    ours,
    secret_of,
    wanted_endpoint,
    webhook_url,
)
from flask_stripe_credits.webhooks.handlers import HANDLERS

from .hosts import PREFIX, Host
from .payloads import new_api_key, new_secret

URL = f"https://shop.test{PREFIX}/webhook"


def wanted(**config: Any) -> Wanted:
    settings = read_settings({"STRIPE_SECRET_KEY": new_api_key()} | config, {})
    return wanted_endpoint(settings, URL, HANDLERS)


def endpoint(**changes: Any) -> WebhookEndpoint:
    payload = {
        "id": "we_1",
        "url": URL,
        "status": "enabled",
        "enabled_events": list(HANDLERS),
        "api_version": API_VERSION,
        "livemode": False,
        "created": 1,
        "metadata": {},
    }
    return WebhookEndpoint.from_payload(payload | changes)


def kinds(found: WebhookEndpoint, want: Wanted | None = None) -> list[Kind]:
    return [difference.kind for difference in compare(found, want or wanted())]


def test_an_endpoint_that_is_right_does_not_differ() -> None:
    assert compare(endpoint(), wanted()) == []
    assert compare(endpoint(url=URL + "/"), wanted()) == []
    assert compare(endpoint(url=f"https://shop.test/below{PREFIX}/webhook"), wanted()) == []


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"enabled_events": sorted(HANDLERS)[1:]}, Kind.MISSING_EVENTS, "charge.dispute.closed"),
        ({"enabled_events": [*HANDLERS, "a.b"]}, Kind.EXTRA_EVENTS, "a.b"),
        ({"enabled_events": ["*"]}, Kind.EXTRA_EVENTS, "every type"),
        ({"status": "disabled"}, Kind.DISABLED, "disabled"),
        ({"api_version": "2020-08-27"}, Kind.API_VERSION, f"2020-08-27, not {API_VERSION}"),
        ({"api_version": None}, Kind.API_VERSION, "the account's default"),
        ({"url": "https://shop.test/webhook"}, Kind.OTHER_PATH, f"{PREFIX}/webhook"),
        ({"url": f"https://shop.test{PREFIX}/webhook2"}, Kind.OTHER_PATH, "webhook2"),
        ({"url": "https://[shop"}, Kind.OTHER_PATH, "https://[shop"),
    ],
)
def test_each_difference_is_told(changes: dict[str, Any], kind: Kind, words: str) -> None:
    (difference,) = compare(endpoint(**changes), wanted())
    assert difference.kind is kind
    assert words in difference.message


def test_missing_and_too_many_events_are_both_told() -> None:
    found = kinds(endpoint(enabled_events=["a.b"], status="disabled", url=None))
    assert found == [Kind.MISSING_EVENTS, Kind.EXTRA_EVENTS, Kind.DISABLED, Kind.OTHER_PATH]


def test_only_live_endpoints_must_be_https() -> None:
    plain = endpoint(url=URL.replace("https", "http"))
    assert kinds(plain) == []
    assert kinds(plain, dataclasses.replace(wanted(), live=True)) == [Kind.NOT_HTTPS]


def test_our_endpoints_are_those_with_our_address() -> None:
    same = ["HTTPS://Shop.test:443" + URL.removeprefix("https://shop.test"), URL + "/", URL]
    other = [URL + "2", URL.replace("https", "http"), URL.replace(".test", ".test:8443"), None]
    other += [URL + "?x=1", "https://[shop", "https://shop.test:x/"]
    found = [endpoint(id=f"we_{n}", url=url) for n, url in enumerate([*same, *other])]
    assert [one.url for one in ours(found, URL)] == same


def test_the_address_is_made_of_base_url_and_prefix() -> None:
    config = {"STRIPE_CREDITS_BASE_URL": "https://shop.test/"}
    assert webhook_url(read_settings({}, {})) is None
    assert webhook_url(read_settings(config, {})) == URL
    prefixed = read_settings(config | {"STRIPE_CREDITS_URL_PREFIX": "/x"}, {})
    assert webhook_url(prefixed) == "https://shop.test/x/webhook"


def test_the_path_is_that_of_our_webhook_route(sqlite_host: Host) -> None:
    found = wanted_endpoint(sqlite_host.state.settings, URL, HANDLERS)
    assert sqlite_host.post_body(b"{}").status_code == 400
    assert found.path == f"{PREFIX}/webhook"
    rules = {rule.rule for rule in sqlite_host.app.url_map.iter_rules()}
    assert found.path in rules


def test_F16_the_secret_is_never_shown() -> None:
    secret = new_secret()
    found = endpoint(secret=secret)
    assert found.secret == Secret(secret)
    assert secret not in repr(found)
    assert secret[-4:] not in repr(found)
    assert fingerprint(Secret(secret)) not in secret
    assert len(fingerprint(Secret(secret))) == 16


def test_the_fingerprint_tells_which_secret_is_whose() -> None:
    secrets = [Secret(new_secret()) for _ in range(3)]
    found = endpoint(metadata={"secret_fingerprint": fingerprint(secrets[1])})
    assert secret_of(found, secrets) == secrets[1]
    assert secret_of(found, secrets[:1]) is None
    assert secret_of(endpoint(), secrets) is None


@pytest.mark.parametrize("payload", [None, [], {}, {"id": 1}, {"id": "we 1"}])
def test_an_endpoint_without_an_id_is_none(payload: Any) -> None:
    with pytest.raises(MalformedEvent):
        WebhookEndpoint.from_payload(payload)


@pytest.mark.parametrize("odd", [None, 1, "x\n", [], {}, [1, None]])
def test_D08_endpoints_are_read_defensively(odd: Any) -> None:
    names = ("url", "status", "enabled_events", "api_version", "livemode", "created", "metadata")
    found = endpoint(**dict.fromkeys(names, odd), secret=odd)
    assert found.secret is None
    assert (found.url, found.status, found.enabled_events) == (None, None, ())
    assert compare(found, wanted())


def test_endpoints_are_made_listed_changed_and_deleted(
    stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(
        {"STRIPE_SECRET_KEY": new_api_key(), "STRIPE_CREDITS_API_BASE": stripe.url}, {}
    )
    gateway = Gateway(settings)
    url = f"http://127.0.0.1:9{PREFIX}/webhook"
    want = wanted_endpoint(settings, url, HANDLERS)
    params = {
        "url": url,
        "enabled_events": list(want.events),
        "api_version": want.api_version,
        "metadata": {"flask_stripe_credits": "here"},
    }
    made = [
        gateway.create_webhook_endpoint(params, idempotency_key=os.urandom(8).hex())
        for _ in range(3)
    ]
    assert all(compare(one, want) == [] and one.site == "here" for one in made)
    assert len({one.secret for one in made}) == 3, "one address may have several endpoints"
    monkeypatch.setattr(connection, "PAGE_SIZE", 1)
    listed = {one.id: one for one in ours(gateway.list_webhook_endpoints(), url)}
    assert listed.keys() >= {one.id for one in made}
    assert all(one.secret is None for one in listed.values())
    changed = gateway.update_webhook_endpoint(
        made[0].id, {"disabled": True, "enabled_events": ["refund.created"]}
    )
    assert (changed.is_enabled, changed.enabled_events) == (False, ("refund.created",))
    assert (changed.api_version, changed.site) == (API_VERSION, "here")
    assert [gateway.delete_webhook_endpoint(made[0].id) for _ in range(2)] == [True, False]
    assert made[0].id not in {one.id for one in gateway.list_webhook_endpoints()}
    for one in made[1:]:
        gateway.delete_webhook_endpoint(one.id)

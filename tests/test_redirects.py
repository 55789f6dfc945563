"""F06, F07: where a buyer may be sent back to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_stripe_credits.config import Settings, read_settings
from flask_stripe_credits.errors import RedirectNotAllowed
from flask_stripe_credits.redirects import LONGEST_URL, PURCHASE_ID, resolve_redirect
from flask_stripe_credits.sandbox import Sandbox

from .hosts import PREFIX, Host
from .stripe_stub import NewShop

BASE = "https://shop.test"
OURS = read_settings(
    {
        "STRIPE_CREDITS_BASE_URL": f"{BASE}/app",
        "STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS": [
            "https://shop.test",
            "https://pay.shop.test:8443",
            "http://localhost:5000",
        ],
    },
    {},
)
ORIGINS = ("https://shop.test", "https://pay.shop.test:8443", "http://localhost:5000")
UNSET = read_settings({}, {})

HOSTILE = [
    # Another host.
    *("https://evil.test", "https://evil.test/https://shop.test", "http://evil.test"),
    *("https://shop.test.evil.test", "https://evil-shop.test", "https://shop.testevil.test"),
    *("https://evil.test?https://shop.test", "https://evil.test#https://shop.test"),
    *("http://localhost:0", "https://shop.test:0"),
    *("https://sub.shop.test", "https://pay.shop.test", "https://shop.test:8443"),
    *("https://shop.test:80", "https://shop.test:", "https://shop.test:0443x", "https://localhost"),
    *("http://shop.test", "http://localhost:5001", "http://127.0.0.1:5000", "http://[::1]:5000"),
    # User information.
    *("https://shop.test@evil.test", "https://shop.test:443@evil.test", "https://@shop.test"),
    *(
        "https://evil.test@shop.test",
        "https://user:pass@shop.test",
        "https://shop.test%40evil.test",
    ),
    # Slashes and backslashes.
    *(
        "//evil.test",
        "///evil.test",
        "////evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "\\/evil.test",
    ),
    *(
        "/\\/evil.test",
        "https:evil.test",
        "https:/evil.test",
        "https:///evil.test",
        "https:\\\\evil.test",
    ),
    *("https://shop.test\\@evil.test", "https://shop.test\\.evil.test", "https:/\\shop.test"),
    *("https://evil.test\\@shop.test", "/ok\\..\\..\\evil.test"),
    # Escapes and odd characters.
    *("https://shop.test%2eevil.test", "https://shop.test%00.evil.test", "https://%73hop.test"),
    *(
        "https://shop\u3002test",
        "https://shop\uff0etest",
        "https://sh\u043ep.test",
        "https://xn--shp-uqd.test",
    ),
    *(
        "https://shop.test\u2024evil.test",
        "https://shop.test/\u2028",
        "/weg/ü",
        "https://\uff53hop.test",
    ),
    *(
        "https://shop.test\t.evil.test",
        "ht\ttps://evil.test",
        " https://shop.test",
        "/\t/evil.test",
    ),
    *(
        "https://shop.test\n",
        "https://shop.test/\r\nSet-Cookie: a=b",
        "/ok\r\nLocation: //evil.test",
    ),
    *("/\n/evil.test", "/ok ", " /ok", "/o k", "/ok\0", "\0/ok", "/ok\x7f", "/ok\ud800"),
    # Other schemes and no addresses at all.
    *(
        "javascript:alert(1)",
        "JaVaScRiPt://shop.test/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
    ),
    *("file:///etc/passwd", "ftp://shop.test", "blob:https://shop.test/x", "mailto:a@shop.test"),
    *("about:blank", "https", "https:", "https://", "://shop.test", "shop.test", "www.shop.test/x"),
    *("", "?next=/", "#top", ".", "..", "ok", "ok/../..", "{PURCHASE_ID}", "{CHECKOUT_SESSION_ID}"),
    # IPv6 and dots.
    *(
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[shop.test]",
        "https://[::1",
        "https://]",
    ),
    *("https://shop.test.", "https://shop.test./x", "https://.shop.test", "https://shop..test"),
    *("https://2130706433", "https://0x7f.1", "https://127.1", "http://localhost.:5000"),
    # Too long.
    "https://shop.test/" + "a" * LONGEST_URL,
    "/" + "a" * LONGEST_URL,
]

# Allowed as long as nothing is set.
LOOPBACK = {
    *("https://localhost", "https://[::1]"),
    *("http://localhost:5001", "http://127.0.0.1:5000", "http://[::1]:5000"),
}

GOOD = {
    "https://shop.test": "https://shop.test",
    "https://shop.test/": "https://shop.test/",
    "https://shop.test:443/thanks": "https://shop.test:443/thanks",
    "https://shop.test/thanks?a=b&c=%2F#top": "https://shop.test/thanks?a=b&c=%2F#top",
    "https://shop.test?next=https://evil.test": "https://shop.test?next=https://evil.test",
    "https://shop.test/@evil.test": "https://shop.test/@evil.test",
    "https://pay.shop.test:8443/x": "https://pay.shop.test:8443/x",
    "http://localhost:5000/x": "http://localhost:5000/x",
    "https://shop.test/r?p={PURCHASE_ID}&s={CHECKOUT_SESSION_ID}": (
        "https://shop.test/r?p={PURCHASE_ID}&s={CHECKOUT_SESSION_ID}"
    ),
    "/": f"{BASE}/app/",
    "/thanks": f"{BASE}/app/thanks",
    "/thanks?p={PURCHASE_ID}#top": f"{BASE}/app/thanks?p={{PURCHASE_ID}}#top",
    "/@evil.test": f"{BASE}/app/@evil.test",
    "/a//evil.test": f"{BASE}/app/a//evil.test",
    "/https://evil.test": f"{BASE}/app/https://evil.test",
    "/%2f%2fevil.test": f"{BASE}/app/%2f%2fevil.test",
    "/" + "a" * (LONGEST_URL - 1): f"{BASE}/app/" + "a" * (LONGEST_URL - 1),
}


def resolve(url: Any, settings: Settings = OURS, field: str = "success_url") -> str:
    return resolve_redirect(field, url, None, settings)


@pytest.mark.parametrize("url", HOSTILE)
def test_F07_a_hostile_address_is_refused(url: str) -> None:
    for settings in (OURS,) if url in LOOPBACK else (OURS, UNSET):
        with pytest.raises(RedirectNotAllowed) as caught:
            resolve(url, settings)
        assert caught.value.field == "success_url"
        assert len(str(caught.value)) < 200, "the address isn't repeated in the answer"


@pytest.mark.parametrize("url", GOOD)
def test_F07_an_address_of_ours_is_kept_and_a_path_is_joined_to_the_base(url: str) -> None:
    assert resolve(url) == GOOD[url]


@given(st.text(max_size=60) | st.text("/\\:@.%#?shop.testevil[]{} \t\n0443", max_size=40))
@example("/\\evil.test")
@example("https://shop.test")
def test_F06_whatever_is_accepted_leads_to_one_of_ours(url: str) -> None:
    try:
        found = resolve(url)
    except RedirectNotAllowed:
        return
    assert found.isascii() and found.isprintable() and " " not in found and "\\" not in found
    assert any(
        found == o or found.startswith((f"{o}/", f"{o}?", f"{o}#", f"{o}:443")) for o in ORIGINS
    )


@given(
    st.sampled_from(["https://", "http://", "//", "https:", "\\\\", "/", "", "javascript:"]),
    st.sampled_from(["shop.test", "evil.test", "localhost", "shop.test.evil.test", "[::1]"]),
    st.sampled_from(["", "@", ":443", ":443@", "%40", "\\", "\\@", ".", "#@", "?@", "/@", "\t"]),
    st.sampled_from(["", "evil.test", "shop.test", "/", "/path", ":8443"]),
)
def test_F06_no_combination_of_good_and_bad_leads_elsewhere(
    scheme: str, host: str, mark: str, rest: str
) -> None:
    try:
        found = resolve(scheme + host + mark + rest)
    except RedirectNotAllowed:
        return
    assert urlsplit(found).hostname in ("shop.test", "localhost", "pay.shop.test")
    assert urlsplit(found).username is None


def test_without_any_setting_only_loopback_addresses_are_allowed() -> None:
    for url in ("http://localhost/x", "http://127.0.0.1:8000/x", "http://[::1]:5000/x"):
        assert resolve(url, UNSET) == url
    for url in ("/path", "https://shop.test", "http://localhost.evil.test", "http://127.0.0.2"):
        with pytest.raises(RedirectNotAllowed):
            resolve(url, UNSET)


def test_an_address_is_measured_with_the_id_of_the_purchase() -> None:
    url = "https://shop.test/" + PURCHASE_ID * 150
    assert len(url) < LONGEST_URL
    with pytest.raises(RedirectNotAllowed, match=r"is longer than 2,000 characters"):
        resolve(url)


def test_a_path_needs_a_base_and_says_so() -> None:
    with pytest.raises(RedirectNotAllowed, match="STRIPE_CREDITS_BASE_URL"):
        resolve("/thanks", UNSET)


def test_nothing_asked_for_and_nothing_set_says_what_to_set() -> None:
    for field in ("success_url", "cancel_url"):
        with pytest.raises(RedirectNotAllowed, match=f"STRIPE_CREDITS_{field.upper()}"):
            resolve(None, OURS, field)


def test_the_setting_is_used_when_the_request_names_none() -> None:
    assert resolve_redirect("cancel_url", None, "/shop", OURS) == f"{BASE}/app/shop"
    assert resolve_redirect("cancel_url", "/own", "/shop", OURS) == f"{BASE}/app/own"
    with pytest.raises(RedirectNotAllowed):
        resolve_redirect("cancel_url", "", "/shop", OURS)


# Through the API, down to what Stripe is told.


@pytest.fixture
def public(new_shop: NewShop) -> Host:
    return new_shop(
        STRIPE_CREDITS_BASE_URL=BASE,
        STRIPE_CREDITS_SUCCESS_URL="/thanks?purchase={PURCHASE_ID}",
        STRIPE_CREDITS_CANCEL_URL=f"{BASE}/packages?again={{PURCHASE_ID}}",
    )


def buy(host: Host, headers: dict[str, str] | None = None, **urls: Any) -> Any:
    return host.client.post(
        f"{PREFIX}/purchase", json={"package_code": "starter"} | urls, headers=headers
    )


def test_S6_F06_no_hostile_address_gets_to_stripe(public: Host) -> None:
    for field in ("success_url", "cancel_url"):
        for url in HOSTILE:
            answer = buy(public, **{field: url})
            if len(url) <= LONGEST_URL:
                assert (answer.status_code, answer.json["code"]) == (422, "redirect_not_allowed"), (
                    url
                )
                assert list(answer.json["errors"]) == [field]
                assert "evil" not in answer.text
        for wrong in (None, 1, [], {"url": "/"}, True):
            assert buy(public, **{field: wrong}).status_code == 422
    assert public.purchases() == []


def test_F08_no_address_breaks_out_of_a_header(public: Host) -> None:
    outside = [chr(code) for code in (*range(0x21), *range(0x7F, 0xA1), 0x2028, 0x2029, 0xFF0D)]
    for character in outside:
        for base in ("/thanks", f"{BASE}/thanks"):
            answer = buy(public, success_url=f"{base}{character}Set-Cookie: a=b")
            assert (answer.status_code, answer.json["code"]) == (422, "redirect_not_allowed"), hex(
                ord(character)
            )
            assert "Set-Cookie" not in answer.headers
            assert "Set-Cookie" not in answer.text
    assert public.purchases() == []
    encoded = buy(public, success_url="/thanks%0d%0aSet-Cookie:%20a=b").json
    assert encoded["checkout_url"]


def test_the_purchase_is_named_in_both_addresses(public: Host, stripe: Sandbox) -> None:
    body = buy(public).json
    session = stripe.session(body["session_id"])
    assert session["success_url"] == f"{BASE}/thanks?purchase={body['purchase_id']}"
    assert session["cancel_url"] == f"{BASE}/packages?again={body['purchase_id']}"


def test_F09_the_placeholder_of_stripe_stays_for_stripe(public: Host, stripe: Sandbox) -> None:
    body = buy(public, success_url="/r?s={CHECKOUT_SESSION_ID}", cancel_url="/c").json
    session = stripe.session(body["session_id"])
    assert session["success_url"] == f"{BASE}/r?s={{CHECKOUT_SESSION_ID}}"
    assert session["cancel_url"] == f"{BASE}/c"


def test_F23_the_host_header_decides_nothing(public: Host, stripe: Sandbox) -> None:
    headers = {
        "Host": "evil.test",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "http",
        "Forwarded": "host=evil.test",
        "Referer": "https://evil.test/",
    }
    body = buy(public, headers, success_url="/thanks", cancel_url="/").json
    session = stripe.session(body["session_id"])
    assert (session["success_url"], session["cancel_url"]) == (f"{BASE}/thanks", f"{BASE}/")
    assert "evil" not in str(public.purchases())
    assert buy(public, headers, success_url="https://evil.test/").status_code == 422


def test_F23_the_path_of_the_app_comes_from_the_base_url(
    new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(STRIPE_CREDITS_BASE_URL=f"{BASE}/app/", APPLICATION_ROOT="/elsewhere")
    body = host.client.post(
        f"{PREFIX}/purchase",
        json={"package_code": "starter", "success_url": "/a", "cancel_url": f"{BASE}/b"},
        environ_overrides={"SCRIPT_NAME": "/elsewhere"},
    ).json
    session = stripe.session((body or {})["session_id"])
    assert (session["success_url"], session["cancel_url"]) == (f"{BASE}/app/a", f"{BASE}/b")


def test_without_any_address_the_purchase_is_refused(new_shop: NewShop) -> None:
    host = new_shop(STRIPE_CREDITS_SUCCESS_URL=None, STRIPE_CREDITS_CANCEL_URL=None)
    answer = buy(host)
    assert (answer.status_code, answer.json["errors"].keys()) == (422, {"success_url"})
    assert buy(host, success_url="http://localhost/a").json["errors"].keys() == {"cancel_url"}
    both = {"success_url": "http://localhost/a", "cancel_url": "http://localhost/b"}
    assert buy(host, **both).status_code == 201

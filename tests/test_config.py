from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.config import Settings, read_settings
from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.errors import ConfigurationError, NotConfigured
from flask_stripe_credits.origins import origin_of

CREDITS = "STRIPE_WEBHOOK_SECRET_CREDITS"
FALLBACK = "STRIPE_WEBHOOK_SECRET"
TAIL = "0f1e2d3c" * 4


def api_key(kind: str = "sk_test") -> str:
    return f"{kind}_{secrets.token_hex(12)}"


def webhook_secret() -> str:
    return "whsec_" + secrets.token_hex(16)


def read(config: dict[str, Any] | None = None, /, **environ: str) -> Settings:
    return read_settings(config or {}, environ)


def revealed(settings: Settings) -> list[str]:
    return [secret.reveal() for secret in settings.webhook_secrets]


def test_nothing_set_gives_the_documented_defaults() -> None:
    settings = read()
    assert settings.url_prefix == "/api/v1/billing/credits"
    assert settings.site == "local"
    assert settings.max_open_sessions == 10
    assert settings.max_sessions_per_hour == 30
    assert settings.webhook_tolerance_seconds == 300
    assert settings.session_expires_seconds is None
    assert settings.allowed_redirect_origins == ()
    for name in ("base_url", "success_url", "cancel_url", "api_base", "livemode", "secret_key"):
        assert getattr(settings, name) is None
    for name in ("allow_promotion_codes", "automatic_tax", "allow_free", "public_packages"):
        assert getattr(settings, name) is False


def test_config_is_read_before_the_environment() -> None:
    ours, theirs = api_key(), api_key()
    settings = read({"STRIPE_SECRET_KEY": ours}, STRIPE_SECRET_KEY=theirs)
    assert settings.require_secret_key().reveal() == ours
    assert read({"STRIPE_SECRET_KEY": None}, STRIPE_SECRET_KEY=theirs).secret_key == Secret(theirs)


def test_a_blank_key_in_config_is_not_replaced_by_the_one_in_the_environment() -> None:
    settings = read({"STRIPE_SECRET_KEY": "", CREDITS: ""}, STRIPE_SECRET_KEY=api_key())
    assert settings.secret_key is None
    assert read({CREDITS: ""}, **{CREDITS: webhook_secret()}).webhook_secrets == ()


def test_settings_are_read_once_and_frozen() -> None:
    config: dict[str, Any] = {"STRIPE_CREDITS_SITE": "one"}
    settings = read(config)
    config["STRIPE_CREDITS_SITE"] = "two"
    assert settings.site == "one"
    with pytest.raises(AttributeError):
        settings.site = "three"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "livemode"),
    [("sk_test", False), ("rk_test", False), ("sk_live", True), ("rk_live", True)],
)
@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", "STRIPE_API_KEY"])
def test_the_api_key_tells_the_mode(name: str, kind: str, livemode: bool) -> None:
    settings = read(**{name: api_key(kind)})
    assert settings.require_livemode() is livemode
    assert settings.problems.keys() == {CREDITS}


PLACEHOLDER_KEYS = [
    "sk_test_",
    "sk_test_...",
    "sk_test_…",
    "sk_test_xxx",
    "sk_test_XXXX",
    "sk_live_xxxxxxxxxxxx",
    "sk_test_placeholder",
    "sk_test_your_key_here",
    "sk_test_your-key",
    "sk_test_change-me",
    "sk_test_<key>",
    "sk_test_****",
    "sk_test_secret",
    "sk_test_example",
    "sk_test_1234" + "5678",
]


@pytest.mark.parametrize(
    "value",
    [
        *PLACEHOLDER_KEYS,
        "",
        "   ",
        "key",
        "pk_test_" + "abc123",
        "whsec_" + "abc123",
        "sk_prod_abc123",
        "SK_TEST_abc123",
        "sk_test_abc\u00e9",
        "sk_test_abc\u200b",
        "sk_test_abc sk_test_def",
    ],
)
def test_E02_an_unusable_api_key_is_a_problem_and_no_exception(value: str) -> None:
    settings = read(STRIPE_SECRET_KEY=value)
    assert settings.secret_key is None
    assert settings.livemode is None
    assert settings.problems["STRIPE_SECRET_KEY"]
    for require in (settings.require_secret_key, settings.require_livemode):
        with pytest.raises(NotConfigured, match=r"^STRIPE_SECRET_KEY ") as caught:
            require()
        assert caught.value.key == "STRIPE_SECRET_KEY"


def test_both_names_may_hold_the_same_key() -> None:
    key = api_key()
    assert read(STRIPE_SECRET_KEY=key, STRIPE_API_KEY=f"{key}\n").secret_key == Secret(key)


def test_both_names_with_different_keys_contradict_each_other() -> None:
    one, other = api_key(), api_key()
    with pytest.raises(ConfigurationError, match="STRIPE_SECRET_KEY and STRIPE_API_KEY") as caught:
        read(STRIPE_SECRET_KEY=one, STRIPE_API_KEY=other)
    assert one not in str(caught.value)
    assert other not in str(caught.value)


def test_a_placeholder_beside_a_key_contradicts_nothing() -> None:
    key = api_key()
    assert read(STRIPE_SECRET_KEY="sk_test_placeholder", STRIPE_API_KEY=key).secret_key == Secret(
        key
    )


@pytest.mark.parametrize(("secret", "public"), [("test", "live"), ("live", "test")])
def test_keys_of_different_modes_contradict_each_other(secret: str, public: str) -> None:
    with pytest.raises(ConfigurationError, match="STRIPE_PUBLISHABLE_KEY"):
        read(STRIPE_SECRET_KEY=f"sk_{secret}_abc123", STRIPE_PUBLISHABLE_KEY=f"pk_{public}_abc123")


def test_the_publishable_key_is_compared_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "publishable"
    file.write_text("pk_live_abc123\n")
    with pytest.raises(ConfigurationError, match="STRIPE_PUBLISHABLE_KEY"):
        read(STRIPE_SECRET_KEY="sk_test_abc123", STRIPE_PUBLISHABLE_KEY_FILE=str(file))


@pytest.mark.parametrize("public", ["", "pk_test_abc123", "pk_live_", "nonsense"])
def test_a_publishable_key_that_agrees_or_tells_nothing_is_no_problem(public: str) -> None:
    settings = read(STRIPE_SECRET_KEY="sk_test_abc123", STRIPE_PUBLISHABLE_KEY=public)
    assert settings.livemode is False


@pytest.mark.parametrize("value", [None, "", " ", "\n", [], ()])
def test_E01_no_webhook_secret_is_a_problem_and_no_exception(value: Any) -> None:
    settings = read({CREDITS: value})
    assert settings.webhook_secrets == ()
    with pytest.raises(NotConfigured, match=f"^{CREDITS} isn't set"):
        settings.require_webhook_secrets()


@pytest.mark.parametrize(
    "value",
    [
        "whsec_placeholder",
        "whsec_placeholder_placeholder_placeholder",
        "whsec_test",
        "whsec_...",
        "whsec_" + "X" * 32,
        "whsec_" + "0" * 32,
        "whsec_" + "ab" * 16,
        "whsec_your_webhook_signing_secret",
        "whsec_<your signing secret from Stripe>",
        "whsec_change_me_change_me_change_me",
        "whsec_" + "1234567890" * 3,
        "whsec_" + "abcdefgh" + "ijklmnopqrstuvwx",
        "whsec_" + "a1b2c3" * 3,
        "hush",
        TAIL,
        "sk_test_" + TAIL,
        "WHSEC_" + TAIL,
        "whsec_" + TAIL + "\u00e9",
    ],
)
def test_E02_S4_a_placeholder_is_as_good_as_no_webhook_secret(value: str) -> None:
    settings = read(**{CREDITS: value})
    assert settings.webhook_secrets == ()
    with pytest.raises(NotConfigured, match=CREDITS) as caught:
        settings.require_webhook_secrets()
    assert value not in str(caught.value)


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{} \r\n"])
def test_E03_white_space_around_a_secret_is_ignored_with_a_warning(
    around: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = webhook_secret()
    with caplog.at_level(logging.WARNING):
        assert revealed(read(**{CREDITS: around.format(secret)})) == [secret]
    assert CREDITS in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize("separator", [",", ", ", " ", "\n", "\r\n", ",,"])
def test_E12_several_webhook_secrets_in_one_text(separator: str) -> None:
    old, new = webhook_secret(), webhook_secret()
    assert revealed(read(**{CREDITS: old + separator + new})) == [old, new]


def test_E12_several_webhook_secrets_in_a_list_keep_their_order() -> None:
    old, new = webhook_secret(), webhook_secret()
    assert revealed(read({CREDITS: [old, f" {new} ", old]})) == [old, new]


def test_a_placeholder_among_secrets_is_noted_and_the_others_are_used() -> None:
    good = webhook_secret()
    settings = read({CREDITS: [good, "whsec_placeholder"]})
    assert revealed(settings) == [good]
    assert CREDITS in settings.problems


@pytest.mark.parametrize("blank", [{}, {CREDITS: ""}, {CREDITS: "  "}])
def test_the_general_name_is_used_when_the_special_one_is_not_set(blank: dict[str, str]) -> None:
    secret = webhook_secret()
    assert revealed(read(blank | {FALLBACK: secret})) == [secret]
    assert revealed(read(**blank, **{FALLBACK: secret})) == [secret]


def test_the_special_name_wins_over_the_general_one() -> None:
    ours, general = webhook_secret(), webhook_secret()
    assert revealed(read(**{CREDITS: ours, FALLBACK: general})) == [ours]


def test_another_kind_of_secret_is_never_used_to_verify() -> None:
    settings = read({"SECRET_KEY": webhook_secret()}, STRIPE_SECRET_KEY=api_key())
    assert settings.webhook_secrets == ()


@pytest.mark.parametrize("value", [7, 1.5, {"a": 1}, [1], b"whsec_bytes"])
def test_a_secret_of_another_type_is_a_clear_error(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=CREDITS):
        read({CREDITS: value})


def test_secrets_are_read_from_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key, old, new = api_key(), webhook_secret(), webhook_secret()
    (tmp_path / "key").write_text(f"{key}\n")
    (tmp_path / "hook").write_text(f"\ufeff{old}\n{new}\n", encoding="utf-8")
    settings = read(
        {"STRIPE_SECRET_KEY_FILE": tmp_path / "key"}, **{f"{CREDITS}_FILE": str(tmp_path / "hook")}
    )
    assert settings.secret_key == Secret(key)
    assert revealed(settings) == [old, new]
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", CREDITS])
def test_a_value_and_a_file_contradict_each_other(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"set {name} or {name}_FILE, not both"):
        read(**{name: "value", f"{name}_FILE": str(tmp_path)})


@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_an_unreadable_file_is_a_problem_and_no_exception(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    settings = read(STRIPE_SECRET_KEY_FILE=str(path), **{f"{CREDITS}_FILE": str(path)})
    for name in ("STRIPE_SECRET_KEY", CREDITS):
        assert f"{name}_FILE" in settings.problems[name]


def test_a_file_of_another_type_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="STRIPE_SECRET_KEY_FILE must be a path"):
        read({"STRIPE_SECRET_KEY_FILE": 7})


def test_F16_neither_repr_nor_str_shows_a_secret() -> None:
    key, hook = api_key(), webhook_secret()
    settings = read(STRIPE_SECRET_KEY=key, **{CREDITS: hook})
    for secret in (key, hook):
        for shown in (repr(settings), str(settings), repr(Secret(secret)), f"{Secret(secret)}"):
            assert secret not in shown
            assert secret[:-4] not in shown
        assert repr(Secret(secret)) == f"Secret('…{secret[-4:]}')"
        assert Secret(secret).last4 == secret[-4:]


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"


BOOLEANS = {
    "STRIPE_CREDITS_ALLOW_PROMOTION_CODES": "allow_promotion_codes",
    "STRIPE_CREDITS_AUTOMATIC_TAX": "automatic_tax",
    "STRIPE_CREDITS_ALLOW_FREE": "allow_free",
    "STRIPE_CREDITS_PUBLIC_PACKAGES": "public_packages",
}


@pytest.mark.parametrize(("key", "attribute"), BOOLEANS.items())
@pytest.mark.parametrize(
    ("value", "meaning"),
    [(word, True) for word in ("1", "true", "True", " YES ", "on", True, 1)]
    + [(word, False) for word in ("0", "false", "No", "OFF", "", False, 0)],
)
def test_switches_are_read_from_words(key: str, attribute: str, value: Any, meaning: bool) -> None:
    assert getattr(read({key: value}), attribute) is meaning
    if isinstance(value, str):
        assert getattr(read(**{key: value}), attribute) is meaning


def test_a_switch_turned_off_in_config_stays_off() -> None:
    settings = read({"STRIPE_CREDITS_ALLOW_FREE": False}, STRIPE_CREDITS_ALLOW_FREE="1")
    assert settings.allow_free is False


@pytest.mark.parametrize("key", BOOLEANS)
@pytest.mark.parametrize("value", ["maybe", "2", "tru", 2, 1.5, [True]])
def test_a_switch_that_is_neither_true_nor_false_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{key} must be true or false"):
        read({key: value})


NUMBERS = {
    "STRIPE_CREDITS_SESSION_EXPIRES_SECONDS": ("session_expires_seconds", 2_100, 82_800),
    "STRIPE_CREDITS_MAX_OPEN_SESSIONS": ("max_open_sessions", 1, 1_000),
    "STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR": ("max_sessions_per_hour", 1, 10_000),
    "STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS": ("webhook_tolerance_seconds", 1, 3_600),
}


@pytest.mark.parametrize(("key", "attribute", "low", "high"), [(k, *v) for k, v in NUMBERS.items()])
def test_numbers_are_read_up_to_their_bounds(key: str, attribute: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(read({key: value}), attribute) == value
        assert getattr(read(**{key: f" {value} "}), attribute) == value
    for wrong in (low - 1, high + 1, str(low - 1), str(high + 1)):
        with pytest.raises(ConfigurationError, match=f"^{key} must be a whole number from"):
            read({key: wrong})


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", ["ten", "1e3", "3_0", "300.0", 300.0, True, "٣٠٠", [300], 10**30])
def test_what_is_no_whole_number_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{key} must be a whole number from"):
        read({key: value})


@pytest.mark.parametrize("value", [0, -1, "0", "-300", 3_601])
def test_E11_a_tolerance_that_switches_the_replay_check_off_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS"):
        read({"STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS": value})


@pytest.mark.parametrize("value", [None, ""])
def test_E11_no_tolerance_means_the_default_never_none(value: Any) -> None:
    settings = read({"STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS": value})
    assert settings.webhook_tolerance_seconds == 300


@pytest.mark.parametrize("place", ["config", "environ"])
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("STRIPE_CREDITS_ALLOW_FREEE", "STRIPE_CREDITS_ALLOW_FREE"),
        ("STRIPE_CREDIT_BASE_URL", "STRIPE_CREDITS_BASE_URL"),
        ("STRIPE_CREDITS_COLOR", None),
    ],
)
def test_a_name_that_is_no_setting_is_warned_of_with_the_nearest_that_is(
    caplog: pytest.LogCaptureFixture, place: str, name: str, near: str | None
) -> None:
    read_settings(**{"config": {}, "environ": {}, place: {name: "1", "STRIPE_CREDITS_SITE": "x"}})
    (record,) = caplog.records
    hint = f"; did you mean {near}?" if near else ""
    told = f"{name} is not a setting of this version and is ignored"
    assert record.message == told + hint


def test_what_is_wrong_with_an_alias_is_told_by_its_name() -> None:
    problems = read(STRIPE_API_KEY="sk_test_xxx", STRIPE_WEBHOOK_SECRET="whsec_x").problems
    assert problems["STRIPE_SECRET_KEY"] == "isn't set, and STRIPE_API_KEY is a placeholder"
    assert problems[CREDITS].startswith("isn't set, and STRIPE_WEBHOOK_SECRET holds a value that")
    both = read(STRIPE_SECRET_KEY="pk_test_1", STRIPE_API_KEY="sk_test_xxx").problems
    assert both["STRIPE_SECRET_KEY"].startswith("isn't a secret API key")


@pytest.mark.parametrize(
    "key", [*BOOLEANS, *NUMBERS, *(f"STRIPE_CREDITS_{name}" for name in ("SITE", "DELIVERY"))]
)
def test_no_setting_is_taken_for_an_unknown_name(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    read({key: None})
    assert caplog.text == ""


def test_there_are_two_ways_of_delivery_and_others_are_refused() -> None:
    assert vars(read(STRIPE_CREDITS_DELIVERY="transaction")) == vars(read())
    assert read().delivery == "transaction"
    assert read(STRIPE_CREDITS_DELIVERY=" outbox ").delivery == "outbox"
    for value in ("Outbox", "celery", "both"):
        with pytest.raises(
            ConfigurationError, match=rf"^STRIPE_CREDITS_DELIVERY must be .*, not '{value}'$"
        ):
            read(STRIPE_CREDITS_DELIVERY=value)


def test_usable_secrets_are_handed_out() -> None:
    secret = webhook_secret()
    assert read(**{CREDITS: secret}).require_webhook_secrets() == (Secret(secret),)


@pytest.mark.parametrize(
    "value", ["/pay", "/api/v1/billing/credits", "/a.b/~c-d_e", "/.well-known"]
)
def test_a_prefix_of_plain_segments_is_taken(value: str) -> None:
    assert read(STRIPE_CREDITS_URL_PREFIX=value).url_prefix == value


@pytest.mark.parametrize(
    "value",
    ["pay", "/", "/pay/", "//pay", "/a//b", "/<id>", "/a b", "/../b", "/a/.", "/é", "/a?b", 7],
)
def test_a_bad_prefix_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^STRIPE_CREDITS_URL_PREFIX must"):
        read({"STRIPE_CREDITS_URL_PREFIX": value})


@pytest.mark.parametrize(
    ("value", "base_url", "site"),
    [
        ("https://app.example.com", "https://app.example.com", "app.example.com"),
        ("https://App.Example.com/", "https://App.Example.com", "app.example.com"),
        ("https://app.example.com/shop/", "https://app.example.com/shop", "app.example.com"),
        ("http://localhost:5000", "http://localhost:5000", "localhost:5000"),
    ],
)
def test_the_base_url_names_the_site_and_the_allowed_origin(
    value: str, base_url: str, site: str
) -> None:
    settings = read(STRIPE_CREDITS_BASE_URL=value)
    assert settings.base_url == base_url
    assert settings.site == site
    assert settings.allowed_redirect_origins == (origin_of(value),)


@pytest.mark.parametrize(
    "value",
    [
        "app.example.com",
        "http://app.example.com",
        "https://app.example.com?",
        "https://app.example.com#",
        "https://app.example.com/?a=1",
        "https://user@app.example.com",
        "javascript:alert(1)",
    ],
)
def test_a_base_url_that_is_no_clean_address_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^STRIPE_CREDITS_BASE_URL must"):
        read(STRIPE_CREDITS_BASE_URL=value)


def test_allowed_origins_replace_the_base_urls() -> None:
    settings = read(
        STRIPE_CREDITS_BASE_URL="https://api.example.com",
        STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS="https://app.example.com/, http://localhost:3000",
    )
    assert settings.allowed_redirect_origins == (
        "https://app.example.com",
        "http://localhost:3000",
    )


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "https://*.example.com",
        "http://app.example.com",
        "https://a.example/x",
        "https://a.example?",
    ],
)
def test_an_allowed_origin_that_is_no_origin_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS must"):
        read(STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS=value)


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:5001", "http://[::1]:5001/", "https://a.example"]
)
def test_another_stripe_may_be_https_or_on_loopback(value: str) -> None:
    assert read(STRIPE_CREDITS_API_BASE=value).api_base == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    ["http://stripe.example.com", "https://a.example/v1", "https://a.example?", "127.0.0.1"],
)
def test_another_stripe_over_the_open_network_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^STRIPE_CREDITS_API_BASE must"):
        read(STRIPE_CREDITS_API_BASE=value)


@pytest.mark.parametrize("value", ["é", "a b", "a" * 101, "a\nb"])
def test_a_site_that_stripe_could_not_keep_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^STRIPE_CREDITS_SITE must"):
        read(STRIPE_CREDITS_SITE=value)


ALLOWED = "https://app.example.com"

HOSTILE_URLS = [
    "",
    "/",
    "/path",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "https://app.example.com\\@evil.example",
    "https://app.example.com@evil.example",
    "https://app.example.com:pw@evil.example",
    "https://app.example.com%40evil.example",
    "https://app.example.com%00.evil.example",
    "https://app.example.com%2eevil.example",
    "https://app.example.com%2f.evil.example",
    "https://app.example.com\x00.evil.example",
    "https://app.example.com\t/",
    "https://app.example.com\r\nLocation: https://evil.example",
    "https://app.example.com/ ",
    " https://app.example.com/",
    "https://app.example.com.",
    "https://app.example.com.:443/",
    "https://app.example.com:",
    "https://app.example.com:99999",
    "https://app.example.com:4x3",
    "https://app.example.com:-443",
    "https://app.example.com:+443",
    "https://app.example.com:4_43",
    "https://app..example.com",
    "https://.example.com",
    "https://app。example。com",
    "https://\u0430pp.example.com",
    "https://app.example.com,evil.example",
    "https://app.example.com;evil.example",
    "https://app.example.com|evil.example",
    'https://app.example.com"evil.example',
    "https://app.example.com'evil.example",
    "https://app.example.com{evil.example",
    "https://[app.example.com]/",
    "https://[::1%25lo]/",
    "https://[::1",
    "https://::1/",
    "https://[v1.evil]/",
    "HTTPS://app.example.com/",
    "http://app.example.com/",
    "http://127.1/",
    "http://0.0.0.0/",
    "http://localhost.evil.example/",
    "http://localhost@evil.example/",
    "ftp://app.example.com/",
    "javascript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "blob:https://app.example.com/1",
    "https://app.example.com/" + "a" * 2_000,
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_F07_hostile_urls_have_no_origin(url: str) -> None:
    assert origin_of(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com.evil.example/",
        "https://evil.example/https://app.example.com/",
        "https://evil.example/?next=https://app.example.com",
        "https://evil.example#@app.example.com",
        "https://app.example.com:444/",
        "https://xn--pp-7ed.example.com/",
        "https://[2001:db8::1]/",
        "https://app-example.com/",
    ],
)
def test_F07_other_origins_are_never_the_allowed_one(url: str) -> None:
    assert origin_of(url) not in (None, ALLOWED)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example.com", ALLOWED),
        ("https://app.example.com/back?x=%2F%2Fevil#top", ALLOWED),
        ("https://App.Example.COM:443/", ALLOWED),
        ("https://app.example.com/" + "a" * 1_976, ALLOWED),
        ("https://app.example.com:8443/", "https://app.example.com:8443"),
        ("http://localhost:5000/back", "http://localhost:5000"),
        ("http://127.0.0.1:80/back", "http://127.0.0.1"),
        ("http://[::1]:5000/back", "http://[::1]:5000"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]"),
    ],
)
def test_clean_urls_have_an_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@given(tail=st.text(max_size=40))
def test_F07_whatever_follows_the_host_the_origin_is_the_browsers(tail: str) -> None:
    origin = origin_of(ALLOWED + tail)
    if origin == ALLOWED:
        assert tail == "" or tail[0] in "/?#" or tail.startswith(":443") or tail[0] == ":"
        assert "@" not in tail.split("/")[0].split("?")[0].split("#")[0]


@given(url=st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_F07_no_text_makes_it_raise(url: str) -> None:
    origin = origin_of(url)
    assert origin is None or origin_of(origin) == origin

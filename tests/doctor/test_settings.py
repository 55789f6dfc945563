from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from flask_stripe_credits.doctor import Level

from ..hosts import Host, make_host
from ..payloads import new_api_key, new_secret
from .examined import examined, level, only


def test_G06_the_key_in_use_is_told_by_its_last_four_characters(sqlite_host: Host) -> None:
    key = sqlite_host.app.config["STRIPE_SECRET_KEY"]
    found = only(sqlite_host, "secret_key")
    assert (found.level, found.found) == (
        Level.OK,
        f"a test key (secret) that ends in …{key[-4:]}",
    )


def test_G06_a_key_that_is_rotated_is_in_use_after_a_restart_only(sqlite_host: Host) -> None:
    old, new = sqlite_host.app.config["STRIPE_SECRET_KEY"], new_api_key()
    assert level(sqlite_host, "settings_in_use") is Level.OK
    sqlite_host.app.config["STRIPE_SECRET_KEY"] = new
    found = examined(sqlite_host, "secret_key", "settings_in_use")
    assert f"…{old[-4:]}" in found["secret_key"][0].found
    (changed,) = found["settings_in_use"]
    assert changed.level is Level.WARNING
    assert changed.found == (
        "app.config was changed after init_app, without effect: STRIPE_SECRET_KEY; "
        f"the key in use still ends in …{old[-4:]}"
    )
    restarted = make_host(sqlite_host.db_url, tables=False, STRIPE_SECRET_KEY=new)
    assert f"…{new[-4:]}" in only(restarted, "secret_key").found
    assert level(restarted, "settings_in_use") is Level.OK


def test_what_is_changed_after_init_app_is_named(sqlite_host: Host) -> None:
    sqlite_host.app.config["STRIPE_CREDITS_ALLOW_FREE"] = True
    sqlite_host.app.config["STRIPE_WEBHOOK_SECRET_CREDITS"] = new_secret()
    found = only(sqlite_host, "settings_in_use")
    assert found.found.endswith(": STRIPE_WEBHOOK_SECRET_CREDITS, STRIPE_CREDITS_ALLOW_FREE")
    sqlite_host.app.config["STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS"] = 0
    found = only(sqlite_host, "settings_in_use")
    assert found.level is Level.ERROR
    assert "STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS must be" in found.found


@pytest.mark.parametrize(
    ("key", "trouble"),
    [
        (None, "STRIPE_SECRET_KEY isn't set"),
        ("sk_test_your_key_here", "STRIPE_SECRET_KEY is a placeholder"),
        ("pk_test_" + "0123456789ab", "STRIPE_SECRET_KEY isn't a secret API key of Stripe"),
    ],
)
def test_a_key_that_is_missing_or_a_placeholder(
    sqlite_url: str, key: str | None, trouble: str
) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_SECRET_KEY=key)
    found = examined(host)
    (line,) = found["secret_key"]
    assert line.level is Level.ERROR
    assert line.found.startswith(trouble)
    assert line.advice is not None and "STRIPE_SECRET_KEY" in line.advice
    for id in ("stripe", "permissions", "account", "clock"):
        assert [one.found for one in found[id]] == ["not checked because of secret_key"]


def test_a_restricted_and_a_live_key_are_named_so(sqlite_url: str) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_SECRET_KEY="rk_live_" + "0f" * 12)
    found = examined(host, "secret_key")["secret_key"]
    assert found[0].found == "a live key (restricted) that ends in …0f0f"
    assert found[1].level is Level.ERROR
    assert "STRIPE_CREDITS_API_BASE sends it to http://127.0.0.1:9" in found[1].found


def test_webhook_secrets(sqlite_url: str) -> None:
    one, two = new_secret(), new_secret()
    host = make_host(sqlite_url, tables=False, STRIPE_WEBHOOK_SECRET_CREDITS=[one, two])
    found = only(host, "webhook_secret")
    assert found.level is Level.OK
    assert found.found == f"2 secrets, for a rotation: they end in …{one[-4:]} and …{two[-4:]}"

    host = make_host(sqlite_url, tables=False, STRIPE_WEBHOOK_SECRET_CREDITS=[one, "whsec_x"])
    lines = examined(host, "webhook_secret")["webhook_secret"]
    assert [line.level for line in lines] == [Level.WARNING, Level.OK]
    assert "holds a value that is a placeholder" in lines[0].found

    host = make_host(sqlite_url, tables=False, STRIPE_WEBHOOK_SECRET_CREDITS="whsec_placeholder")
    found = only(host, "webhook_secret")
    assert found.level is Level.ERROR
    assert found.found.startswith("STRIPE_WEBHOOK_SECRET_CREDITS holds a value that is a place")


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        (None, None),
        ("pk_test_" + secrets.token_hex(12), None),
        (new_api_key(), "holds a secret key, which pages would show to everybody"),
        ("pk_test_your_key_here", "is a placeholder"),
        ("nonsense", "isn't a publishable key of Stripe (pk_test_… or pk_live_…)"),
    ],
    ids=["none", "publishable", "secret", "placeholder", "nonsense"],
)
def test_the_publishable_key(sqlite_url: str, value: Any, trouble: str | None) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_PUBLISHABLE_KEY=value)
    found = only(host, "publishable_key")
    if trouble is None:
        assert found.level is Level.OK
    else:
        assert (found.level, found.found) == (Level.ERROR, f"STRIPE_PUBLISHABLE_KEY {trouble}")


@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET_CREDITS"])
def test_a_file_that_the_app_was_not_started_with_is_told(
    sqlite_url: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check = {"STRIPE_SECRET_KEY": "secret_key"}.get(name, "webhook_secret")
    host = make_host(sqlite_url, tables=False, **{name: None})
    assert f"set {name} to" in only(host, check).advice
    (tmp_path / ".env").write_text(f"A=1\nexport {name}=x\n")
    assert only(host, check).advice.startswith(f"{name} is in .env, which this process wasn't")
    # What app.config or the environment holds goes before it, and an empty line is none.
    monkeypatch.setenv(name, "x")
    assert f"set {name} to" in only(host, check).advice
    monkeypatch.delenv(name)
    host.app.config[name] = "x"
    assert f"set {name} to" in only(host, check).advice
    host.app.config[name] = None
    (tmp_path / ".env").write_text(f"{name}=\n")
    assert f"set {name} to" in only(host, check).advice


def test_names_that_nobody_reads(sqlite_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert level(sqlite_host, "setting_names") is Level.OK
    sqlite_host.app.config["STRIPE_CREDITS_BASEURL"] = "x"
    monkeypatch.setenv("STRIPE_CREDITS_PREFIX_OF_ALL", "x")
    found = examined(sqlite_host, "setting_names")["setting_names"]
    assert {line.level for line in found} == {Level.WARNING}
    assert [line.found.split()[0] for line in found] == [
        "STRIPE_CREDITS_BASEURL",
        "STRIPE_CREDITS_PREFIX_OF_ALL",
    ]
    assert found[0].advice == "did you mean STRIPE_CREDITS_BASE_URL?"

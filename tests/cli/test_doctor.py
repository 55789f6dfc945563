from __future__ import annotations

import json
import logging
import re
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from flask_stripe_credits.doctor import CHECKS

from ..hosts import Host, make_host
from ..stripe_stub import NewShop


def doctor(host: Host, *arguments: str, **extra: Any) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "doctor", *arguments], **extra)


def fresh(sqlite_url: str, **config: Any) -> Host:
    return make_host(sqlite_url, tables=False, **config)


def test_an_error_is_exit_code_1_and_commands_begin_with_a_dollar(sqlite_url: str) -> None:
    host = fresh(sqlite_url)
    result = doctor(host)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "Stripe in test mode, site local. The doctor only looks."
    assert re.findall(r"^ +\$ (.+)$", result.output, re.MULTILINE) == ["flask credits db upgrade"]
    assert "error    tables" in result.output
    gathered = [line for line in lines if line.startswith("skipped")]
    assert any(
        line.startswith("skipped  packages, prices, ") and line.endswith("because of tables")
        for line in gathered
    )
    assert re.fullmatch(r"\d+ ok, \d+ warning, \d+ error, \d+ skipped", lines[-1])


def test_every_check_has_a_line_of_its_own_in_json(sqlite_url: str) -> None:
    result = doctor(fresh(sqlite_url), "--json")
    *lines, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(dict.fromkeys(line["check"] for line in lines)) == [check.id for check in CHECKS]
    for line in lines:
        assert set(line) == {"check", "title", "level", "found", "advice", "command"}
    levels = [line["level"] for line in lines]
    assert summary == {
        level: levels.count(level) for level in ("ok", "warning", "error", "skipped")
    }
    assert result.exit_code == 1


def test_it_runs_without_any_key_and_says_what_the_log_meant(sqlite_url: str) -> None:
    host = fresh(sqlite_url, STRIPE_SECRET_KEY=None, STRIPE_WEBHOOK_SECRET_CREDITS=None)
    result = doctor(host)
    assert result.exit_code == 1
    assert "Stripe in unknown mode" in result.output
    assert "What the app logged as CRITICAL when it started is explained here." in result.output
    assert "error    secret_key" in result.output


def test_G05_a_warning_is_exit_code_2(new_shop: NewShop, quick_retries: None) -> None:
    shop = new_shop(STRIPE_CREDITS_SITE="shop")
    runner = shop.app.test_cli_runner()
    assert runner.invoke(args=["credits", "db", "stamp"]).exit_code == 0
    assert runner.invoke(args=["credits", "sync", "--apply"]).exit_code == 0
    warned = doctor(shop)
    assert (warned.exit_code, "error  " in warned.output) == (2, False), warned.output


def test_nothing_is_changed_and_no_secret_is_shown(sqlite_url: str) -> None:
    host = make_host(sqlite_url)
    before = host.row_counts()
    result = doctor(host)
    assert host.row_counts() == before
    for secret in (host.app.config["STRIPE_SECRET_KEY"], host.webhook_secret):
        assert secret not in result.output
        assert secret[-5:] not in result.output
        assert f"…{secret[-4:]}" in result.output


def test_what_the_checks_provoke_is_not_logged_as_well(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = fresh(sqlite_url)
    caplog.clear()
    doctor(host)
    ours = logging.getLogger("flask_stripe_credits")
    assert [one for one in caplog.records if one.name.startswith(ours.name)] == []
    assert ours.level == logging.NOTSET


def test_lines_are_coloured_on_a_terminal_only(sqlite_url: str) -> None:
    host = fresh(sqlite_url)
    assert "\x1b[31merror" in doctor(host, color=True).output
    assert "\x1b" not in doctor(host).output


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:5000/elsewhere"])
def test_an_address_that_is_not_the_webhooks_is_refused(sqlite_url: str, url: str) -> None:
    result = doctor(fresh(sqlite_url), "--url", url)
    assert result.exit_code == 1
    assert url in result.stderr
    assert "versions" not in result.output


def test_lines_are_wrapped_on_a_terminal_and_commands_never(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("flask_stripe_credits.cli.doctor.sys", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    host = fresh(sqlite_url, STRIPE_SECRET_KEY=None)
    lines = doctor(host).output.splitlines()
    # A path is never broken.
    assert [line for line in lines if len(line) > 80 and "/" not in line] == []
    place = lines.index("error    secret_key           STRIPE_SECRET_KEY isn't set")
    assert re.match(r" {30}set STRIPE_SECRET_KEY to", lines[place + 1])
    assert any(re.fullmatch(r" {30}\$ flask credits db upgrade", line) for line in lines)

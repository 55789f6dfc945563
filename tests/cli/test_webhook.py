from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from flask_stripe_credits.cli.webhook import handing_over
from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.webhook_endpoints import API_VERSION, fingerprint
from flask_stripe_credits.webhooks.handlers import HANDLERS

from ..hosts import PREFIX, Host, make_host
from ..payloads import new_api_key, new_secret
from ..serving import serving
from ..stripe_stub import StripeStub
from .operators import NAME, Operator

# create


def test_create_makes_exactly_what_is_handled_and_prints_only_the_secret(
    operator: Operator,
) -> None:
    result = operator.run("create")
    assert result.exit_code == 0, result.stderr
    (made,) = operator.endpoints
    assert result.stdout == operator.secret_of(made) + "\n"
    assert made.secret_fingerprint == fingerprint(Secret(result.stdout.strip()))
    assert sorted(made.enabled_events) == sorted(HANDLERS)
    assert (made.api_version, made.site) == (API_VERSION, "local")
    assert result.stderr.startswith("Stripe in test mode, site local\n")
    assert result.stdout.strip() not in result.stderr
    assert operator.acts() == ["created"]


def test_create_writes_the_secret_into_a_file_of_its_owners(operator: Operator) -> None:
    mine = new_secret()
    operator.file.write_text(f"A=1\n{NAME}={mine}\n")
    result = operator.written("create")
    assert result.exit_code == 0, result.stderr
    secret = operator.secret_of(operator.endpoints[0])
    assert operator.file.read_text() == f"A=1\n{NAME}={secret},{mine}\n"
    assert operator.file.stat().st_mode & 0o777 == 0o600
    assert secret not in result.stderr
    assert "readable by its owner only" in result.stderr
    assert f". {operator.file}; set +a`" in result.stderr


def test_a_second_create_finds_the_first(operator: Operator) -> None:
    operator.written("create")
    content = operator.file.read_text()
    again = operator.written("create")
    assert again.exit_code == 0, again.stderr
    assert "nothing to do" in again.stderr
    assert operator.file.read_text() == content
    elsewhere = operator.run("create")
    assert (elsewhere.exit_code, elsewhere.stdout) == (1, "")
    assert "flask credits webhook rotate" in elsewhere.stderr
    assert len(operator.endpoints) == 1
    assert operator.acts() == ["created"]


def test_create_mends_what_an_endpoint_lacks_and_leaves_what_a_host_added(
    operator: Operator,
) -> None:
    operator.written("create")
    (made,) = operator.endpoints
    gateway = operator.host.state.gateway
    events = ["invoice.paid", *sorted(HANDLERS)[1:]]
    gateway.update_webhook_endpoint(made.id, {"disabled": True, "enabled_events": events})
    result = operator.written("create")
    assert result.exit_code == 0, result.stderr
    assert "added charge.dispute.closed" in result.stderr
    assert "enabled it" in result.stderr
    (mended,) = operator.endpoints
    assert mended.is_enabled
    assert sorted(mended.enabled_events) == sorted({"invoice.paid", *HANDLERS})


def test_an_endpoint_of_somebody_else_is_left_but_told(operator: Operator) -> None:
    params = {"url": operator.url, "enabled_events": ["*"], "api_version": "2025-01-27.acacia"}
    operator.host.state.gateway.create_webhook_endpoint(params, idempotency_key=uuid.uuid4().hex)
    result = operator.run("create")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "wasn't made by this command" in result.stderr
    assert "2025-01-27.acacia" in result.stderr
    (found,) = operator.endpoints
    assert (found.enabled_events, found.site) == (("*",), None)


def test_a_file_that_cannot_be_written_is_told_before_an_endpoint_is_made(
    operator: Operator,
) -> None:
    result = operator.run("create", "--write-env", str(operator.file / "missing"))
    assert result.exit_code == 1
    assert operator.endpoints == []


def test_a_file_that_fails_later_does_not_lose_the_secret(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handing_over.EnvFile, "write", full)
    result = operator.run("create", "--write-env", str(operator.file))
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    (made,) = operator.endpoints
    assert result.stdout.strip() == operator.secret_of(made)
    assert made.secret_fingerprint is not None


def test_a_mark_that_cannot_be_written_does_not_lose_the_secret(operator: Operator) -> None:
    for _ in range(3):
        operator.stripe.faults.next("POST /v1/webhook_endpoints/*", status=500)
    result = operator.run("create")
    assert result.exit_code == 0
    assert "valid all the same" in result.stderr
    assert result.stdout.strip() == operator.secret_of(operator.endpoints[0])


def test_an_audit_log_that_cannot_be_written_does_not_lose_the_secret(
    operator: Operator, new_database: Callable[[str], str]
) -> None:
    operator.host = make_host(
        new_database("sqlite"), tables=False, STRIPE_CREDITS_API_BASE=operator.stripe.url
    )
    result = operator.run("create")
    assert result.exit_code == 0, result.stderr
    assert "audit log couldn't be written" in result.stderr
    assert result.stdout.strip() == operator.secret_of(operator.endpoints[0])


# Where it may lead.


def host_with(**config: Any) -> Host:
    return make_host("sqlite://", tables=False, **config)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://shop.test{PREFIX}/webhook", "must be an https address"),
        ("https://shop.test/webhook", f"perhaps https://shop.test{PREFIX}/webhook is meant"),
        ("https://shop.test", f"perhaps https://shop.test{PREFIX}/webhook is meant"),
        (f"https://shop.test{PREFIX}/webhook?x=1", "isn't the webhook's address"),
        (f"https://127.0.0.1:5000{PREFIX}/webhook", "stripe listen --forward-to"),
        (f"https://me@shop.test{PREFIX}/webhook", "must be an https address"),
    ],
)
@pytest.mark.parametrize("command", ["create", "rotate", "delete"])
def test_an_address_that_stripe_could_not_use_is_refused(
    command: str, url: str, words: str
) -> None:
    host = host_with(STRIPE_CREDITS_API_BASE=None)
    result = host.app.test_cli_runner().invoke(args=["credits", "webhook", command, "--url", url])
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr


def test_without_an_address_it_is_asked_for() -> None:
    result = host_with().app.test_cli_runner().invoke(args=["credits", "webhook", "create"])
    assert "STRIPE_CREDITS_BASE_URL" in result.stderr
    assert result.exit_code == 1


def test_the_address_is_made_of_the_settings(operator: Operator) -> None:
    base = operator.url.removesuffix(f"{PREFIX}/webhook")
    host = host_with(STRIPE_CREDITS_API_BASE=operator.stripe.url, STRIPE_CREDITS_BASE_URL=base)
    result = host.app.test_cli_runner().invoke(args=["credits", "webhook", "create"])
    assert result.exit_code == 0, result.stderr
    assert [one.url for one in operator.endpoints] == [operator.url]


@pytest.mark.parametrize("command", ["create", "rotate", "delete"])
def test_nothing_live_is_changed_without_saying_so(stub: StripeStub, command: str) -> None:
    live = host_with(STRIPE_SECRET_KEY=new_api_key("live"), STRIPE_CREDITS_API_BASE=stub.url)
    url = f"https://shop.test{PREFIX}/webhook"
    args = ["credits", "webhook", command, "--url", url]
    result = live.app.test_cli_runner().invoke(args=args)
    assert result.exit_code == 1
    assert "Stripe in live mode" in result.stderr
    assert "add --live" in result.stderr
    plain = [*args[:-1], f"http://127.0.0.1:5000{PREFIX}/webhook", "--live"]
    refused = live.app.test_cli_runner().invoke(args=plain)
    assert "live events need https" in refused.stderr
    assert stub.requests == []


def test_live_endpoints_are_made_with_live_said(stub: StripeStub) -> None:
    live = host_with(STRIPE_SECRET_KEY=new_api_key("live"), STRIPE_CREDITS_API_BASE=stub.url)
    stub.answer({"object": "list", "data": [], "has_more": False})
    args = ["credits", "webhook", "delete", "--live", "--url", f"https://shop.test{PREFIX}/webhook"]
    result = live.app.test_cli_runner().invoke(args=args)
    assert (result.exit_code, len(stub.requests)) == (0, 1)
    assert "nothing to delete" in result.stderr


def test_D05_a_key_without_the_permission_is_told(stub: StripeStub) -> None:
    host = host_with(STRIPE_CREDITS_API_BASE=stub.url)
    stub.answer({"error": {"type": "invalid_request_error"}}, 403)
    args = ["credits", "webhook", "create", "--url", f"https://shop.test{PREFIX}/webhook"]
    result = host.app.test_cli_runner().invoke(args=args)
    assert result.exit_code == 1
    assert "Webhook Endpoints: write" in result.stderr


# list and delete


def test_list_tells_what_is_wrong_and_whose_secret_is_known(operator: Operator) -> None:
    operator.run("create")
    (made,) = operator.endpoints
    operator.host.state.gateway.update_webhook_endpoint(made.id, {"disabled": True})
    lines = operator.run("list").stdout.splitlines()
    assert lines[0] == "Stripe in test mode, site local"
    place = next(n for n, line in enumerate(lines) if line.startswith(made.id))
    assert lines[place + 1 : place + 3] == ["  ours, secret missing", "  it is disabled"]
    assert lines[-1].endswith(f"1 of them for {operator.url}")
    told = [json.loads(line) for line in operator.run("list", "--json").stdout.splitlines()]
    (mine,) = [one for one in told if one["ours"]]
    assert (mine["id"], mine["status"]) == (made.id, "disabled")
    assert mine["differences"] == ["it is disabled"]


def test_F16_no_list_and_no_message_tells_a_secret(operator: Operator) -> None:
    operator.written("create")
    operator.written("rotate")
    secrets = [operator.secret_of(one) for one in operator.endpoints]
    for command in (["list"], ["list", "--json"], ["delete"], ["create"], ["rotate"]):
        result = operator.run(*command)
        assert not any(secret in result.output for secret in secrets), command


def test_delete_says_what_is_lost_and_does_it_only_when_told(operator: Operator) -> None:
    operator.written("create")
    refused = operator.run("delete")
    assert refused.exit_code == 1
    assert "nobody will tell" in refused.stderr
    assert "--yes" in refused.stderr
    assert len(operator.endpoints) == 1
    done = operator.run("delete", "--yes", "--by", "olivia")
    assert done.exit_code == 0, done.stderr
    assert operator.endpoints == []
    assert operator.acts() == ["created", "deleted"]
    assert f"no endpoint for {operator.url}" in operator.run("delete", "--yes").stderr
    assert "Stripe has no we_typo here" in operator.run("delete", "we_typo", "--yes").stderr


def test_delete_asks_which_of_two_and_takes_no_strangers(operator: Operator) -> None:
    operator.written("create")
    operator.written("rotate")
    new, old = operator.endpoints
    assert f"{new.id}, {old.id}" in operator.run("delete", "--yes").stderr
    assert operator.run("delete", old.id, "--yes").exit_code == 0
    assert [one.id for one in operator.endpoints] == [new.id]
    gateway = operator.host.state.gateway
    params = {"url": "http://127.0.0.1:9/other", "enabled_events": ["*"]}
    other = gateway.create_webhook_endpoint(params, idempotency_key=uuid.uuid4().hex)
    refused = operator.run("delete", other.id, "--yes")
    assert refused.exit_code == 1
    assert "isn't this app's" in refused.stderr
    assert gateway.delete_webhook_endpoint(other.id)


# test


def test_test_delivers_to_the_running_app_with_every_secret(shared_host: Host) -> None:
    host = make_host(shared_host.db_url, **{NAME: f"{shared_host.webhook_secret},{new_secret()}"})
    before = shared_host.row_counts()
    with serving(shared_host.app) as url:
        args = ["credits", "webhook", "test", "--url", f"{url}{PREFIX}/webhook"]
        good = shared_host.app.test_cli_runner().invoke(args=args)
        one_differs = host.app.test_cli_runner().invoke(args=[*args, "--json"])
    assert good.exit_code == 0
    assert good.stdout.splitlines()[1].startswith(
        f"ok  secret …{shared_host.webhook_secret[-4:]}  200"
    )
    assert one_differs.exit_code == 1
    answers = [json.loads(line) for line in one_differs.stdout.splitlines()]
    assert [(a["accepted"], a["status"], a["verdict"]) for a in answers] == [
        (True, 200, "ignored"),
        (False, 400, "invalid_signature"),
    ]
    assert shared_host.row_counts() == before


def test_test_tells_when_nobody_is_there(operator: Operator) -> None:
    result = operator.run("test")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "nothing listens" in result.stdout


def test_E01_test_needs_a_secret() -> None:
    host = host_with(**{NAME: "whsec_placeholder"})
    args = ["credits", "webhook", "test", "--url", f"https://shop.test{PREFIX}/webhook"]
    result = host.app.test_cli_runner().invoke(args=args)
    assert result.exit_code == 1
    assert f"{NAME} holds a value that is a placeholder" in result.stderr

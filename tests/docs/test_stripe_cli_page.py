"""The page about Stripe's own client: its options are there, and its events are ours."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from flask_stripe_credits.webhooks.handlers import HANDLERS

from ..hosts import PREFIX, Host
from ..payloads import event
from ..sandbox.command_line_client import installed
from .pages import codes, read

PAGE = "how-to/try-with-stripe-cli.md"


def stripe_commands() -> list[list[str]]:
    """Each ``stripe …`` that the page has its reader run, as words."""
    text = read(PAGE)
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    nested = [inner for line in lines for inner in re.findall(r"\$\((stripe [^)]+)\)", line)]
    written = [line for line in [*lines, *nested, *codes(text)] if line.startswith("stripe ")]
    return [shlex.split(line)[1:] for line in written]


def test_the_events_that_are_forwarded_are_those_that_are_handled() -> None:
    (listed,) = [words[-1] for words in stripe_commands() if "--events" in words]
    assert listed.split(",") == list(HANDLERS)


def test_every_address_on_the_page_is_the_webhooks() -> None:
    forwarded = [words for words in stripe_commands() if "--forward-to" in words]
    assert len(forwarded) == 2
    for words in forwarded:
        assert words[words.index("--forward-to") + 1] == f"127.0.0.1:5000{PREFIX}/webhook"


def test_B03_what_a_trigger_tells_is_answered_as_the_page_says(sqlite_host: Host) -> None:
    purchase = sqlite_host.add_purchase()
    triggered = sqlite_host.paid_event(
        purchase, id="cs_test_triggered", metadata={}, client_reference_id=None
    )
    answer = sqlite_host.post_event(triggered)
    assert answer.text.strip() in read(PAGE)
    assert (answer.json or {})["verdict"] == "ignored"
    unknown = {"id": "re_1", "object": "refund", "amount": 100, "currency": "usd"}
    told = event("refund.created", unknown | {"payment_intent": "pi_1", "status": "succeeded"})
    assert (sqlite_host.post_event(told).json or {})["verdict"] == "kept"
    assert sqlite_host.ledger() == []


@pytest.mark.outside
@pytest.mark.xdist_group("command_line_client")
def test_the_client_has_the_options_that_the_page_names(tmp_path: Path) -> None:
    program = installed()
    tried = 0
    for words in stripe_commands():
        names = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        options = [word for word in words if word.startswith("--")]
        helped = subprocess.run(
            [program, *names, "--help"],
            env={
                "HOME": str(tmp_path),
                "PATH": "/usr/bin:/bin",
                "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
            },
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert helped.returncode == 0, words
        for option in options:
            assert re.search(rf"{option}\b", helped.stdout), (words, helped.stdout)
            tried += 1
    assert tried >= 5

"""On the wheel, in processes of its own: what the doctor prints sets a host up, until it sells."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .test_second_host import SecondHost, pay, request, wait_until_completed

pytestmark = pytest.mark.packaging

PREFIX = "/api/v1/billing/credits"


@pytest.fixture
def host(tmp_path: Path, wheel_venv: Path) -> SecondHost:
    """The README's app, without any setting of ours."""
    host = SecondHost(tmp_path, wheel_venv)
    host.environment = {
        name: value for name, value in host.environment.items() if not name.startswith("STRIPE_")
    }
    return host


def ask_doctor(host: SecondHost) -> tuple[int, str, list[str]]:
    """Return the exit code, what it printed and the commands in it."""
    done = subprocess.run(
        ["flask", "credits", "doctor"],
        cwd=host.folder,
        env=host.environment,
        capture_output=True,
        text=True,
    )
    printed = re.findall(r"^ +\$ (.+)$", done.stdout, re.MULTILINE)
    return done.returncode, done.stdout, list(dict.fromkeys(printed))


def follow(host: SecondHost, printed: list[str]) -> None:
    for command in printed:
        host.run(command)
    env_file = host.folder / ".env"
    if env_file.exists():
        pairs = (line.split("=", 1) for line in env_file.read_text().splitlines())
        host.environment |= dict(pairs)


def test_the_doctor_alone_is_enough_to_sell_credits(host: SecondHost) -> None:
    code, told, printed = ask_doctor(host)
    assert (code, printed) == (1, ["flask credits db stamp"])
    assert re.findall(r"^error +(\S+)", told, re.MULTILINE) == [
        "secret_key",
        "webhook_secret",
        "tables",
    ]
    follow(host, printed)
    host.environment |= {
        "STRIPE_SECRET_KEY": host.secret_key,
        "STRIPE_CREDITS_API_BASE": f"http://127.0.0.1:{host.sandbox_port}",
        "STRIPE_CREDITS_BASE_URL": f"http://127.0.0.1:{host.port}",
    }
    with host.running(f"flask credits sandbox --port {host.sandbox_port}", host.sandbox_port):
        code, told, printed = ask_doctor(host)
        assert (code, printed) == (
            1,
            [
                "flask credits packages load",
                "flask credits webhook create --write-env .env",
            ],
        )
        follow(host, printed)
        with host.running(f"flask run --port {host.port}", host.port):
            code, told, printed = ask_doctor(host)
            assert (code, printed) == (2, ["flask credits sync --apply"])
            follow(host, printed)
            code, told, printed = ask_doctor(host)
            assert (code, printed) == (0, []), told
            assert host.secret_key not in told
            buy(host)
            assert host.ledger() == [("alice", 1_000)]


def buy(host: SecondHost) -> None:
    headers = {"Authorization": "Bearer let-me-in", "Content-Type": "application/json"}
    body = b'{"package_code": "starter", "success_url": "/thanks", "cancel_url": "/"}'
    url = f"http://127.0.0.1:{host.port}{PREFIX}/purchase"
    status, purchase = request(url, body, headers)
    assert status == 201, purchase
    pay(host, purchase["session_id"])
    wait_until_completed(host, purchase["purchase_id"])

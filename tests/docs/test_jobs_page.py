"""The script and the units of the page about cron, run and read as they are written."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from flask import Flask

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..payloads import new_api_key, new_secret
from .pages import blocks
from .test_troubleshooting import command_of

PAGE = "how-to/run-jobs-by-cron.md"

needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="the script needs flock")


def file_on_the_page(name: str) -> str:
    (found,) = [one.code for one in blocks(PAGE) if (one.what, one.name) == ("file", name)]
    return found


def cron_lines() -> list[tuple[list[str], str, list[str]]]:
    """When, who and what, as words."""
    lines = [line for line in file_on_the_page("credits").splitlines() if line[0].isdigit()]
    parts = [line.split(maxsplit=6) for line in lines]
    return [(part[:5], part[5], shlex.split(part[6])) for part in parts]


class Machine:
    """A machine on which the page was followed, with its folders below one of ours."""

    def __init__(self, folder: Path, sandbox: Sandbox, load_page: Any) -> None:
        self.folder = folder
        shop = folder / "srv" / "shop"
        (shop / ".venv" / "bin").mkdir(parents=True)
        (folder / "locks").mkdir()
        flask = shop / ".venv" / "bin" / "flask"
        flask.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flask "$@"\n')
        flask.chmod(0o755)
        code = [one.code for one in blocks("how-to/embed.md") if one.language == "python"]
        (shop / "shop.py").write_text("\n\n".join(code))
        settings = {
            "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'shop.sqlite'}",
            "STRIPE_SECRET_KEY": new_api_key(),
            "STRIPE_WEBHOOK_SECRET_CREDITS": new_secret(),
            "STRIPE_CREDITS_API_BASE": sandbox.url,
            "STRIPE_CREDITS_SUCCESS_URL": "'http://localhost/thanks?purchase={PURCHASE_ID}'",
            "STRIPE_CREDITS_CANCEL_URL": "http://localhost/credits",
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        (folder / "shop.env").write_text("\n".join(lines) + "\n")
        self.script = folder / "credits-job"
        text = file_on_the_page("credits-job")
        for theirs, ours in (
            ("/srv/shop", shop),
            ("/etc/shop.env", folder / "shop.env"),
            ("/run/lock", folder / "locks"),
        ):
            assert theirs in text
            text = text.replace(theirs, str(ours))
        self.script.write_text(text)
        self.script.chmod(0o755)
        self.page, _ = load_page("how-to/embed.md")
        self.app: Flask = self.page.create_app(
            {name.removeprefix("FLASK_"): value.strip("'") for name, value in settings.items()}
        )
        with self.app.app_context():
            self.page.db.create_all()

    def job(self, *words: str) -> tuple[int, str]:
        """Exit code and output of the script, in cron's environment."""
        bare = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        done = subprocess.run(
            [self.script, *words], env=bare, capture_output=True, text=True, timeout=300
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    def ledger(self) -> list[int]:
        with self.app.app_context():
            entries = sa.select(self.page.LedgerEntry.credits)
            return list(self.page.db.session.scalars(entries))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox, load_page: Any) -> Machine:
    machine = Machine(tmp_path / "machine", sandbox, load_page)
    for words in (["db", "stamp"], ["packages", "load"]):
        done = machine.app.test_cli_runner().invoke(args=["credits", *words])
        assert done.exit_code == 0, done.output
    return machine


@needs_flock
def test_the_cron_job_grants_what_no_webhook_told_and_is_silent_about_it(
    machine: Machine, sandbox: Sandbox
) -> None:
    bought = machine.app.test_client().post(
        f"{PREFIX}/purchase",
        json={"package_code": "starter"},
        environ_base={"my_sso.user_id": "7"},
    )
    sandbox.pay(bought.json["session_id"], "4242424242424242")  # type: ignore[index]
    (reconcile,) = [what for _, _, what in cron_lines() if "reconcile" in what]
    words = [word for word in reconcile[1:] if word != "--live"]  # a test key here
    lock = (machine.folder / "locks" / "credits-reconcile").open("w")
    with (
        lock,
        subprocess.Popen(
            ["flock", str(lock.name), "sh", "-c", "echo locked; read line"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        assert machine.job(*words) == (0, ""), "while another one runs"
        assert machine.ledger() == []
        other.communicate("\n")
    assert machine.job(*words) == (0, "")
    assert machine.ledger() == [1000]
    assert machine.job(*words) == (0, "")
    assert machine.ledger() == [1000]
    assert machine.job("audit") == (0, "")


@needs_flock
def test_the_cron_job_speaks_and_fails_when_something_is_wrong(machine: Machine) -> None:
    status, told = machine.job("reconcile", "--apply", "--live")
    assert status == 1
    assert told.startswith("flask credits reconcile --apply --live: exit code 1\n")
    assert "the API key is a test key" in told
    (machine.folder / "shop.sqlite").unlink()
    status, told = machine.job("audit")
    assert status == 2
    assert "flask credits audit: exit code 2" in told


def test_the_jobs_are_commands_and_when_is_when(sqlite_host: Host) -> None:
    assert [what[1] for _, _, what in cron_lines()] == ["reconcile", "audit", "doctor", "purge"]
    for when, who, what in cron_lines():
        assert (who, what[0]) == ("www-data", "/usr/local/bin/credits-job")
        command_of(sqlite_host.app, shlex.join(["flask", "credits", *what[1:]]))
        minute, hour, day, month, weekday = when
        assert minute.isdigit() and int(minute) < 60
        assert hour == "*" or int(hour) < 24
        assert day == "*" or int(day) <= 28
        assert (month, weekday) == ("*", "*")


def _command_of_service(line: str) -> list[str]:
    words = shlex.split(line)
    return ["flask", *words[words.index("credits") :]]


def test_the_units_are_read_by_systemd_and_run_the_command(
    sqlite_host: Host, tmp_path: Path
) -> None:
    for name in ("credits-reconcile.service", "credits-reconcile.timer"):
        text = file_on_the_page(name)
        (tmp_path / name).write_text(text.replace("/srv/shop/.venv/bin/flask", sys.executable))
    service = configparser.ConfigParser(interpolation=None)
    service.optionxform = str  # type: ignore[assignment, method-assign]
    service.read_string(file_on_the_page("credits-reconcile.service"))
    command = _command_of_service(service["Service"]["ExecStart"])
    command_of(sqlite_host.app, shlex.join(command))
    if shutil.which("systemd-analyze") is not None:
        # What it can't see here is the machine that the page speaks of.
        told = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / "credits-reconcile.timer"],
            capture_output=True,
            text=True,
            env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning"},
        )
        assert "Unknown" not in told.stderr
        assert "Failed to parse" not in told.stderr


def test_the_cron_job_of_kubernetes_runs_the_command(sqlite_host: Host) -> None:
    job = yaml.safe_load(file_on_the_page("reconcile.yaml"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    command_of(sqlite_host.app, shlex.join(_command_of_service(shlex.join(container["args"]))))

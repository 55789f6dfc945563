"""From nothing to a sale by doing what the doctor says; then everything is broken, and mended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.sandbox import Sandbox

from ..payloads import new_api_key
from .faults import CLOCK, FAULTS, Fault, commands
from .fresh_host import FreshHost

MENDABLE = [fault for fault in FAULTS if fault is not CLOCK]
MOST_VISITS = 6


@contextlib.contextmanager
def a_host_in(folder: Path) -> Iterator[FreshHost]:
    """A host without any setting, whose app isn't running yet."""
    with pytest.MonkeyPatch.context() as environment, Sandbox().start(deliver=False) as sandbox:
        host = FreshHost(folder, sandbox, environment)
        with host.served() as host.address:
            yield host


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[FreshHost]:
    with a_host_in(tmp_path) as host:
        yield host


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshHost]:
    """A host that is set up. The faults share it: each of them is mended at its end."""
    with a_host_in(tmp_path_factory.mktemp("healthy")) as host:
        set_up(host)
        yield host


def set_up(host: FreshHost) -> list[str]:
    """Do what the doctor says until it has nothing to say; return the commands."""
    host.start()
    # What only the operator can know, as the lines `secret_key` and `redirects` ask for it.
    host.set(
        STRIPE_SECRET_KEY=new_api_key(),
        STRIPE_CREDITS_API_BASE=host.sandbox.url,
        STRIPE_CREDITS_BASE_URL=host.address,
        STRIPE_CREDITS_SUCCESS_URL="/thanks",
        STRIPE_CREDITS_CANCEL_URL="/thanks",
        STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR="1000",
    )
    host.restart()
    return visit(host)


def visit(host: FreshHost) -> list[str]:
    """Do what the doctor prints until there is nothing more to do; return the commands."""
    done: list[str] = []
    for _ in range(MOST_VISITS):
        code, lines = host.doctor()
        if not lines:
            assert code == 0
            return done
        printed = list(dict.fromkeys(line["command"] for line in lines if line["command"]))
        assert printed, lines
        host.do(*printed)
        done += printed
    raise AssertionError(f"the doctor is never content: {lines}")


def test_from_nothing_to_a_sale(fresh: FreshHost) -> None:
    host = fresh
    code, lines = host.doctor()
    assert code == 1
    errors = {line["check"]: line for line in lines if line["level"] == "error"}
    assert list(errors) == ["secret_key", "webhook_secret", "tables"]
    assert "set STRIPE_SECRET_KEY" in errors["secret_key"]["advice"]
    assert {line["check"] for line in lines if line["level"] == "warning"} == {"redirects"}

    assert set_up(host) == [
        "flask credits db upgrade",
        "flask credits webhook create --write-env .env",
        "flask credits packages load",
        "flask credits sync --apply",
    ]
    opened = host.open()
    assert host.pay(opened["session_id"]) == 200
    assert host.status_of(opened["purchase_id"]) == "completed"
    assert host.balance() == 1000
    host.assert_invariants()


def broken_by(
    fault: Fault, host: FreshHost, caplog: pytest.LogCaptureFixture
) -> tuple[str, dict[str, Any]]:
    """Break it and see who tells; return the purchase that met it, and the doctor's line."""
    opened = host.open()
    fault.broken(host)
    code, lines = host.doctor()
    (line, *_) = (line for line in lines if line["check"] == fault.check)
    assert (line["level"], fault.told in line["found"]) == (fault.level, True), line
    assert code == (1 if "error" in {line["level"] for line in lines} else 2)
    assert line["advice"] or line["command"]
    before = fault.counted and how_often(*fault.counted)
    if host.running is not None:
        assert host.ask_to_buy().status_code == fault.buyer
    assert host.pay(opened["session_id"]) == fault.event
    if fault.logged is not None:
        assert fault.logged in {getattr(record, "event", None) for record in caplog.records}
    if fault.counted is not None:
        assert how_often(*fault.counted) > before
    return opened["purchase_id"], line


@pytest.mark.parametrize("fault", MENDABLE, ids=[fault.name for fault in MENDABLE])
def test_what_breaks_is_told_and_mended(
    healthy: FreshHost, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    host, balance = healthy, healthy.balance()
    purchase_id, line = broken_by(fault, host, caplog)
    (fault.mend or commands(line["command"]))(host)
    visit(host)
    host.do("flask credits reconcile --apply")
    assert host.status_of(purchase_id) == "completed"
    assert host.balance() == balance + 1000
    host.assert_invariants()


def test_C26_a_clock_that_is_wrong_is_told(
    fresh: FreshHost, caplog: pytest.LogCaptureFixture
) -> None:
    set_up(fresh)
    purchase_id, _ = broken_by(CLOCK, fresh, caplog)
    assert fresh.status_of(purchase_id) == "pending"
    fresh.do("flask credits reconcile --apply")
    assert (fresh.status_of(purchase_id), fresh.balance()) == ("completed", 1000)


def how_often(metric: str, value: str) -> float:
    """What a metric has counted with this label's value, for whatever app."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == f"stripe_credits_{metric}" and value in sample.labels.values()
    )


def test_keys_of_different_modes_keep_the_app_from_starting(healthy: FreshHost) -> None:
    host = healthy
    host.set(STRIPE_PUBLISHABLE_KEY="pk_live_" + "0f" * 12)
    with pytest.raises(ConfigurationError, match="are of different modes"):
        host.load()
    host.set(STRIPE_PUBLISHABLE_KEY=None)
    assert host.load()

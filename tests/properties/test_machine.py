"""Anything that buyers, Stripe, banks and the line may do, in any order, step by step."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from flask_stripe_credits.sandbox import Sandbox

from ..figures import Figures
from ..hosts import make_host
from ..payloads import new_secret
from ..profiles import long, short
from .machine import MOST_OPEN, Shop, World


@pytest.fixture
def world(database_url: str, quick_retries: None) -> Iterator[World]:
    logging.disable()
    secrets = [new_secret(), new_secret()]
    with Sandbox() as sandbox:
        sandbox.start(deliver=False)
        host = make_host(
            database_url,
            receiver=lambda grant, session: found.book(grant, session),
            STRIPE_CREDITS_API_BASE=sandbox.url,
            STRIPE_WEBHOOK_SECRET_CREDITS=",".join(secrets),
            STRIPE_CREDITS_MAX_OPEN_SESSIONS=MOST_OPEN,
            STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR=10_000,
        )
        host.load_packages()
        found = World(host, sandbox, secrets)
        yield found
    logging.disable(logging.NOTSET)


def _run(world: World, profile: settings) -> None:
    machine = type("Shop", (Shop,), {"world": world})
    run_state_machine_as_test(machine, settings=profile)


def test_I1_I2_I3_I5_I10_I11_I16_anything_may_happen(world: World) -> None:
    _run(world, settings(short(12), stateful_step_count=20))


@pytest.mark.soak
def test_I1_I2_I3_I5_I10_I11_I16_anything_may_happen_for_long(
    world: World, figures: Figures
) -> None:
    _run(world, settings(long(1_000), stateful_step_count=50))
    figures(**world.figures)

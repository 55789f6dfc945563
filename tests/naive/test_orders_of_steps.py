"""Our handler passes checks that each of the usual ones fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..hosts import Host
from .checks import (
    CHECKS,
    duplicates_at_once,
    killed_at_every_step,
    payment_after_a_failure,
    session_of_another_purchase,
    two_events_of_one_session,
    unpaid_session,
)
from .shops import (
    Handler,
    Shop,
    complete_then_signal,
    event_id_first,
    event_id_in_one_transaction,
    guarded_update,
    signal_then_complete,
)

Check = Callable[[Shop], None]

WRONG: dict[Handler, tuple[Check, ...]] = {
    complete_then_signal: (duplicates_at_once, killed_at_every_step),
    signal_then_complete: (duplicates_at_once, killed_at_every_step),
    event_id_first: (two_events_of_one_session, killed_at_every_step),
    event_id_in_one_transaction: (two_events_of_one_session,),
    guarded_update: (payment_after_a_failure,),
}
NEVER_ASKED = (unpaid_session, session_of_another_purchase)


def _name(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("check", CHECKS, ids=_name)
def test_ours_passes(host: Host, check: Check) -> None:
    check(Shop(host, None))


@pytest.mark.parametrize(
    ("handler", "check"),
    [(handler, check) for handler, checks in WRONG.items() for check in checks + NEVER_ASKED],
    ids=_name,
)
def test_the_check_sees_what_is_wrong(host: Host, handler: Handler, check: Check) -> None:
    with pytest.raises(AssertionError):
        check(Shop(host, handler))


@pytest.mark.parametrize(
    "check", [duplicates_at_once, two_events_of_one_session, killed_at_every_step], ids=_name
)
def test_the_checks_can_be_passed_by_another_handler_than_ours(host: Host, check: Check) -> None:
    """They ask for results, not for our way to them."""
    check(Shop(host, guarded_update))

"""Kill a worker at each step of one delivery, deliver again, and look at the ledger."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from .histories import Document, History
from .processes import ShopProcesses

MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a kill at every step left behind.

    :ivar steps: the steps of a delivery that nobody killed, in order.
    :ivar killed_at: the steps at which a process really died, in order.
    :ivar wrong: the ledger's sum wherever it isn't what the history says, by the killed step.
    """

    steps: list[str]
    killed_at: list[str]
    wrong: dict[str, int]


def kill_at_every_step(
    shop: ShopProcesses,
    history: History,
    number: int = 0,
    before: tuple[int, ...] = (),
    weapon: signal.Signals = signal.SIGKILL,
) -> Outcome:
    """Take one purchase for each step of the delivery of ``history``'s event ``number``.

    :param number: which of the history's events the process dies of.
    :param before: which of them are delivered first.
    :param weapon: SIGKILL, or SIGTERM, on which the server raises ``SystemExit``.
    """

    def prepare(user: str) -> list[Document]:
        events = history.events(shop.host.add_purchase(user_id=user))
        shop.deliver_until_taken([events[i] for i in before])
        shop.traced()
        return events

    name = f"{shop.webhook} {weapon.name} {history.name} {number} after {before}"
    # Twice: only the first has to connect to the database.
    for time in ("first", "second"):
        events = prepare(f"{name}: nobody killed, {time}")
        assert shop.deliver(events[number]) == 200, shop.log
        steps = shop.traced()
    assert 5 < len(steps) < MOST_STEPS
    deaths_before, wrong = len(shop.deaths), {}
    for place, step in enumerate(steps, 1):
        user = f"{name}: {place} {step}"
        events = prepare(user)
        (slot,) = shop.slots
        slot.weapon, slot.fuse = weapon, place
        assert shop.deliver(events[number]) is None, f"not killed at {place} {step}"
        later = [event for i, event in enumerate(events) if i not in before]
        shop.deliver_until_taken([events[number], *later])
        left = shop.host.balance(user)
        if left != history.credits:
            wrong[f"{place} {step}"] = left
    deaths = shop.deaths[deaths_before:]
    assert all(death.killed is (weapon is signal.SIGKILL) for death in deaths)
    return Outcome(steps, [death.step for death in deaths], wrong)

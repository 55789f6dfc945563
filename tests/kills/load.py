"""Many deliveries at once to several processes, of which one after another is killed.

Every event is delivered twice and again until it is answered with 2xx. In the end each buyer's
ledger has to hold exactly what the buyer's history says.
"""

from __future__ import annotations

import queue
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .board import Slot
from .histories import Document, History
from .processes import ShopProcesses

DELIVERERS = 8
BATCH = 40
# A delivery has about twenty steps; some have to get through.
LONGEST_FUSE = 30
LONGEST_PAUSE_SECONDS = 0.04


@dataclass
class Load:
    """What was done and what came of it.

    :ivar lost: buyers who have fewer credits than their history says.
    :ivar doubled: buyers who have more.
    :ivar by_step: inside which step each process was killed.
    :ivar terminated: processes that were ended by SIGTERM, in addition to the kills.
    """

    sessions: int = 0
    deliveries: int = 0
    kills: int = 0
    terminated: int = 0
    inside: int = 0
    lost: int = 0
    doubled: int = 0
    by_step: Counter[str] = field(default_factory=Counter)

    @property
    def inside_percent(self) -> float:
        return 100 * self.inside / self.kills if self.kills else 0.0


class Deliverers:
    """Threads that deliver what is queued until each event is taken."""

    def __init__(self, shop: ShopProcesses, until: float) -> None:
        self.shop, self.until = shop, until
        self.waiting: queue.Queue[Document | None] = queue.Queue()
        self.count = 0
        self._counting = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(DELIVERERS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while (document := self.waiting.get()) is not None:
            taken = (self.shop.deliver(document) or 0) // 100 == 2
            with self._counting:
                self.count += 1
            # Behind all others: what is delivered again comes late and out of order.
            if not taken and time.monotonic() < self.until:
                self.waiting.put(document)
            self.waiting.task_done()

    def deliver_all(self, documents: Sequence[Document]) -> None:
        for document in documents:
            self.waiting.put(document)
        self.waiting.join()

    def stop(self) -> None:
        for _ in self._threads:
            self.waiting.put(None)
        for thread in self._threads:
            thread.join()


class Killer:
    """A thread that ends one process after another, most of them in the middle of a request."""

    def __init__(self, shop: ShopProcesses, seed: int) -> None:
        self.shop = shop
        self.random = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self.random.uniform(0, LONGEST_PAUSE_SECONDS)):
            slot = self.random.choice(self.shop.slots)
            if self.random.random() < 0.5:
                self._at_a_step(slot)
            else:
                self._at_a_time(slot)

    def _at_a_step(self, slot: Slot) -> None:
        """Any step is as likely as any other, however short it is."""
        if slot.fuse == 0:
            slot.weapon = self._weapon()
            slot.fuse = self.random.randint(1, LONGEST_FUSE)

    def _at_a_time(self, slot: Slot) -> None:
        """Wherever the process is, but rarely while it waits for a request."""
        if slot.inside or self.random.random() < 0.05:
            self.shop.kill(slot, self._weapon())

    def _weapon(self) -> signal.Signals:
        return signal.SIGTERM if self.random.random() < 0.1 else signal.SIGKILL

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        for slot in self.shop.slots:
            slot.fuse = 0


def deliver_under_fire(
    shop: ShopProcesses,
    histories: Sequence[History],
    *,
    sessions: int = 0,
    kills: int = 0,
    seconds: float,
    seed: int = 0,
) -> Load:
    """Deliver the events of at least ``sessions`` purchases and kill at least ``kills`` times.

    :param seconds: the longest that it may take.
    :raises RuntimeError: when that isn't enough.
    """
    until = time.monotonic() + seconds
    shuffled, expected = random.Random(seed), dict[str, int]()
    deliverers, killer = Deliverers(shop, until), Killer(shop, seed)
    try:
        while len(expected) < sessions or _kills(shop) < kills:
            documents = _new_batch(shop, histories, expected) * 2
            shuffled.shuffle(documents)
            deliverers.deliver_all(documents)
            if time.monotonic() > until:
                raise RuntimeError(f"{seconds} s aren't enough:\n{shop.log[-4000:]}")
    finally:
        killer.stop()
        deliverers.stop()
    return _judge(shop, expected, deliverers.count)


def _new_batch(
    shop: ShopProcesses, histories: Sequence[History], expected: dict[str, int]
) -> list[Document]:
    documents = []
    for _ in range(BATCH):
        history = histories[len(expected) % len(histories)]
        user = f"{history.name} {len(expected)}"
        expected[user] = history.credits
        documents += history.events(shop.host.add_purchase(user_id=user))
    return documents


def _kills(shop: ShopProcesses) -> int:
    return sum(death.killed for death in shop.deaths)


def _judge(shop: ShopProcesses, expected: dict[str, int], deliveries: int) -> Load:
    found = Counter[str]()
    for row in shop.host.rows(shop.host.LedgerEntry):
        found[row["user_id"]] += row["credits"]
    killed = [death for death in shop.deaths if death.killed]
    inside = [death.step for death in killed if death.inside]
    return Load(
        sessions=len(expected),
        deliveries=deliveries,
        kills=len(killed),
        terminated=len(shop.deaths) - len(killed),
        inside=len(inside),
        lost=sum(found[user] < credits for user, credits in expected.items()),
        doubled=sum(found[user] > credits for user, credits in expected.items()),
        by_step=Counter(inside),
    )

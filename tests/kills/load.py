"""Many requests at once to several processes, of which one after another is killed.

Every event is delivered twice, and again until it is answered with 2xx. In the end each buyer's
ledger has to hold exactly what the buyer's history says.
"""

from __future__ import annotations

import contextlib
import queue
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .board import Slot
from .histories import Document, History
from .processes import WARM_UP_USER, ShopProcesses

Task = Callable[[], bool]

SENDERS = 8
BATCH = 20
# A delivery has about twenty steps.
LONGEST_FUSE = 25
MOST_REQUESTS_BETWEEN = 4


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


class Senders:
    """Threads that send what is queued, each request again until it is answered with 2xx.

    A task sends one request and tells whether it is done; it may queue more.
    """

    def __init__(self, until: float) -> None:
        self.until = until
        self.count = 0
        self._waiting: queue.Queue[Task | None] = queue.Queue()
        self._counting = threading.Lock()
        self._errors: list[Exception] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            try:
                # Behind all others: what is sent again comes late and out of order.
                if not task() and time.monotonic() < self.until:
                    self._waiting.put(task)
            except Exception as error:
                self._errors.append(error)
            with self._counting:
                self.count += 1
            self._waiting.task_done()

    def send(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._waiting.put(task)

    def wait(self) -> None:
        """Return when everything was answered, or the time is up."""
        self._waiting.join()
        if self._errors:
            raise self._errors[0]
        if time.monotonic() > self.until:
            raise RuntimeError("the time isn't enough for what was to be sent")

    def stop(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()


class Killer:
    """A thread that ends one process after another, most of them in the middle of a request.

    The next one dies after a few more requests were sent, however fast the machine is.
    """

    def __init__(self, shop: ShopProcesses, sent: Callable[[], int]) -> None:
        self.shop, self.sent = shop, sent
        self.random = random.Random(0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            slot = self.random.choice(self.shop.slots)
            if self.random.random() < 0.5:
                self._at_a_step(slot)
            else:
                self._at_a_time(slot)
            self._wait_for(self.random.randint(0, MOST_REQUESTS_BETWEEN))

    def _wait_for(self, requests: int) -> None:
        enough = self.sent() + requests
        self._until(lambda: self.sent() >= enough)

    def _until(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self._ended.wait(0.001):
            pass

    def _at_a_step(self, slot: Slot) -> None:
        """Any step is as likely as any other, however short it is."""
        slot.weapon = self._weapon()
        slot.fuse = self.random.randint(1, LONGEST_FUSE)
        self._until(lambda: slot.fuse == 0)

    def _at_a_time(self, slot: Slot) -> None:
        """Wherever the process is, but rarely while it waits for a request."""
        self._ended.wait(self.random.uniform(0, 0.02))
        if self.random.random() > 0.05:
            self._until(lambda: slot.inside)
        self.shop.kill(slot, self._weapon())

    def _weapon(self) -> signal.Signals:
        return signal.SIGTERM if self.random.random() < 0.1 else signal.SIGKILL

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        for slot in self.shop.slots:
            slot.fuse = 0


@contextlib.contextmanager
def under_fire(shop: ShopProcesses, *, seconds: float, peace: bool = False) -> Iterator[Senders]:
    """Senders, and a killer beside them.

    :param seconds: the longest that it may take.
    :param peace: nobody is killed.
    """
    senders = Senders(time.monotonic() + seconds)
    killer = None if peace else Killer(shop, lambda: senders.count)
    try:
        yield senders
    finally:
        if killer is not None:
            killer.stop()
        senders.stop()


def deliver_under_fire(
    shop: ShopProcesses,
    histories: Sequence[History],
    *,
    sessions: int = 0,
    kills: int = 0,
    seconds: float,
    peace: bool = False,
) -> Load:
    """Deliver the events of at least ``sessions`` purchases and kill at least ``kills`` times."""
    shuffled, expected = random.Random(0), dict[str, int]()

    def delivery(document: Document) -> Task:
        return lambda: (shop.deliver(document) or 0) // 100 == 2

    with under_fire(shop, seconds=seconds, peace=peace) as senders:
        while len(expected) < sessions or _kills(shop) < kills:
            documents = _new_batch(shop, histories, expected) * 2
            shuffled.shuffle(documents)
            senders.send(map(delivery, documents))
            senders.wait()
    return judge(shop, expected, senders.count)


def _new_batch(
    shop: ShopProcesses, histories: Sequence[History], expected: dict[str, int]
) -> list[Document]:
    documents = []
    for _ in range(BATCH):
        history = histories[len(expected) % len(histories)]
        user = f"{history.name} {uuid.uuid4()}"
        expected[user] = history.credits
        documents += history.events(shop.host.add_purchase(user_id=user))
    return documents


def sell_under_fire(
    shop: ShopProcesses, stripe: Sandbox, *, buyers: int = 0, kills: int = 0, seconds: float
) -> Load:
    """Have at least ``buyers`` buy one package each, with a key, pay it and hear of it twice."""
    expected = dict[str, int]()

    def purchase(user: str) -> Task:
        def buy() -> bool:
            answer = shop.buy(user, keyed=True)
            if answer is None or answer[0] // 100 != 2:
                return False
            event = pay(stripe, answer[1]["session_id"])
            senders.send([lambda: (shop.deliver(event) or 0) // 100 == 2] * 2)
            return True

        return buy

    with under_fire(shop, seconds=seconds) as senders:
        while len(expected) < buyers or _kills(shop) < kills:
            users = [f"buyer {uuid.uuid4()}" for _ in range(BATCH)]
            expected |= dict.fromkeys(users, 1000)
            senders.send(map(purchase, users))
            senders.wait()
    return judge(shop, expected, senders.count)


def pay(stripe: Sandbox, session_id: str) -> Document:
    """Pay at Stripe; return the event that tells of it."""
    stripe.pay(session_id)
    (about,) = (
        event
        for event in stripe.events("checkout.session.completed")
        if event["data"]["object"]["id"] == session_id
    )
    return about


def _kills(shop: ShopProcesses) -> int:
    return sum(death.killed for death in shop.deaths)


def judge(shop: ShopProcesses, expected: dict[str, int], deliveries: int) -> Load:
    """Compare every buyer's ledger with what the buyer has to have."""
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


def assert_sold_once(host: Host, stripe: Sandbox) -> None:
    """Every buyer has one purchase, it is paid, and Stripe has one session of it."""
    sold = [row for row in host.purchases() if row["user_id"] != WARM_UP_USER]
    assert {row["status"] for row in sold} == {"completed"}
    assert len({row["user_id"] for row in sold}) == len(sold)
    ids = {str(row["id"]) for row in sold}
    sessions = Counter(s["client_reference_id"] for s in stripe.objects("checkout.session"))
    assert {sessions[id] for id in ids} == {1}

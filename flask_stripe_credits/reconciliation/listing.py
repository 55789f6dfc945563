"""Read Stripe's lists to the end, a page in memory at a time, through the outages of a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..errors import GatewayUnavailable
from ..gateway import Listed, Page
from ..logs import Log

log: Log = Log(__name__)

T = TypeVar("T")

# Nobody waits for us: a rate limit or a restart at Stripe's is no reason to give up.
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)


def patiently(call: Callable[[], T]) -> T:
    """Ask Stripe, again and again for half a minute while it is unavailable.

    :raises GatewayUnavailable: when it still is.
    """
    for pause in PAUSES_SECONDS:
        try:
            return call()
        except GatewayUnavailable as error:
            log.warning(
                "stripe_asked_again",
                "%s: asking again in %s s",
                error,
                pause,
                stripe_request_id=error.request_id,
            )
            time.sleep(pause)
    return call()


def pages(ask: Callable[[str | None], Page[Listed]]) -> Iterator[list[Listed]]:
    """Yield the pages that ``ask`` returns, called with where the page before ended.

    What Stripe adds meanwhile is at the top of its list and moves nothing below.
    """
    after: str | None = None
    while True:
        page = patiently(lambda after=after: ask(after))  # type: ignore[misc]
        yield page.items
        if page.after is None:
            return
        after = page.after

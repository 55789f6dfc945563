"""What carries our requests to Stripe: tries again within limits, and measures.

Imported with ``stripe``, at the first call. The library's own client knows no limit for all tries
together, none for an answer that trickles in or a name server that hangs, and no ``Retry-After``.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
import stripe

from ..deadlines import run_within
from ..measurements import Measurements, StripeOutcome
from . import limits

Answer = tuple[Any, int, Mapping[str, str]]

_WORDS = frozenset(
    "v1 v2 account accounts balance cancel checkout core customers disputes event_destinations "
    "events expire payment_intents prices products refunds search sessions "
    "webhook_endpoints".split()
)
_OUTCOMES = {
    401: StripeOutcome.KEY_REFUSED,
    403: StripeOutcome.KEY_REFUSED,
    404: StripeOutcome.MISSING,
    429: StripeOutcome.RATE_LIMITED,
}


class Bounded(stripe.HTTPClient):
    """Carries requests by another client, with few tries that end together in time.

    :param carrier: makes one try each time that its ``request`` is called.
    :param answered: of this thread, gets ``request_id``: Stripe's, of the last answer.
    :param pauses: whether to wait between tries.
    """

    name = "flask-stripe-credits"

    def __init__(
        self,
        carrier: stripe.HTTPClient,
        measurements: Measurements,
        answered: threading.local,
        *,
        pauses: bool,
    ) -> None:
        super().__init__()
        self._carrier = carrier
        self._measurements = measurements
        self._answered = answered
        self._sleep: Callable[[float], None] = time.sleep if pauses else _dont_sleep

    def request_with_retries(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,
        max_network_retries: int | None = None,
        **_: Any,
    ) -> Answer:
        started = time.monotonic()
        self._answered.request_id = None
        outcome = StripeOutcome.UNREACHABLE
        try:
            answer = self._tries(method, url, headers, post_data, max_network_retries or 0)
            self._answered.request_id = answer[2].get("Request-Id")
            outcome = _outcome(answer[1])
            return answer
        finally:
            seconds = time.monotonic() - started
            self._measurements.stripe_called(operation_of(method, url), outcome, seconds)

    def _tries(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any, retries: int
    ) -> Answer:
        answer: Answer | None = None
        trouble: stripe.APIConnectionError | None = None
        for tried in range(1, retries + 2):
            if limits.seconds_left() < limits.SHORTEST_TRY_SECONDS:
                break
            answer, trouble = None, None
            try:
                answer = self._carrier.request(method, url, headers, post_data)
            except stripe.APIConnectionError as error:
                trouble = error
            pause = _pause(tried, answer, trouble)
            left = limits.seconds_left() - limits.SHORTEST_TRY_SECONDS
            if pause is None or tried > retries or pause > left:
                break
            self._sleep(pause)
        if answer is not None:
            return answer
        raise trouble or _connection_error("this request has waited for Stripe long enough", False)

    def close(self) -> None:
        self._carrier.close()  # type: ignore[no-untyped-call]


def _dont_sleep(seconds: float) -> None:
    pass


def _pause(
    tried: int, answer: Answer | None, trouble: stripe.APIConnectionError | None
) -> float | None:
    """How long to wait before the next try; None when there should be none."""
    if answer is None:
        again = trouble is not None and trouble.should_retry
    else:
        asked = answer[2].get("Stripe-Should-Retry")
        again = asked == "true" or (asked != "false" and _may_pass(answer[1]))
    if not again:
        return None
    pause = limits.FIRST_PAUSE_SECONDS * 2 ** (tried - 1)
    pause *= random.uniform(1.0, 1.5)  # noqa: S311 - jitter
    pause = max(pause, retry_after(answer[2]) or 0.0) if answer is not None else pause
    return pause if pause <= limits.LONGEST_PAUSE_SECONDS else None


def _may_pass(status: int) -> bool:
    """Conflicts with a request that is under way, rate limits, and Stripe's own failures."""
    return status in (409, 429) or status >= 500


def retry_after(headers: Mapping[str, str] | None) -> int | None:
    """Seconds that Stripe wants to be left alone; None when it doesn't say, or not in seconds."""
    value = (headers or {}).get("Retry-After") or ""
    return int(value) if re.fullmatch(r"[0-9]{1,5}", value, re.ASCII) else None


def operation_of(method: str, url: str) -> str:
    """What is asked, without ids: few enough to count each by itself."""
    parts = urlsplit(url).path.strip("/").split("/")
    path = "/".join(part if part in _WORDS else "*" for part in parts[:6])
    return f"{method.upper()} /{path}"


def _outcome(status: int) -> StripeOutcome:
    if status < 400:
        return StripeOutcome.OK
    found = _OUTCOMES.get(status)
    if found is not None:
        return found
    return StripeOutcome.BROKEN if _may_pass(status) else StripeOutcome.REJECTED


class Requests(stripe.HTTPClient):
    """Makes one try over the network, with connections that are kept open.

    :param trust_env: whether proxies of the environment are used.
    """

    name = "requests"

    def __init__(self, impatient: bool, *, trust_env: bool) -> None:
        super().__init__()
        self._impatient = impatient
        self._trust_env = trust_env
        # Not one for each thread: a try has a thread of its own.
        self._idle: deque[requests.Session] = deque()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        **_: Any,
    ) -> Answer:
        connect, read = limits.timeouts(self._impatient)
        seconds = min(connect + read, limits.seconds_left())

        def send() -> Answer:
            session = self._session()
            try:
                answer = session.request(
                    method,
                    url,
                    headers=dict(headers or {}),
                    data=post_data,
                    timeout=(connect, read),
                    verify=stripe.ca_bundle_path,
                )
            except BaseException:
                session.close()
                raise
            self._idle.append(session)
            return answer.content, answer.status_code, answer.headers

        try:
            return run_within(seconds, send)
        except TimeoutError as error:
            _raise(error, again=True)
        except (requests.exceptions.Timeout, requests.exceptions.ConnectionError) as error:
            _raise(error, again=not isinstance(error, requests.exceptions.SSLError))
        except requests.exceptions.RequestException as error:
            _raise(error, again=False)

    def _session(self) -> requests.Session:
        try:
            return self._idle.pop()
        except IndexError:
            session = requests.Session()
            session.trust_env = self._trust_env
            return session

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _raise(error: Exception, *, again: bool) -> NoReturn:
    raise _connection_error(type(error).__name__, again) from error


def _connection_error(message: str, again: bool) -> stripe.APIConnectionError:
    error: Any = stripe.APIConnectionError
    found: stripe.APIConnectionError = error(message, should_retry=again)
    return found

"""Making the API misbehave on purpose, for tests."""

from __future__ import annotations

import fnmatch
import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ApiError, invalid
from .store import Json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEY = "flask_stripe_credits.sandbox.fault"
_FORBIDDEN = (
    "The provided key does not have the required permissions for this endpoint on account "
    "'acct_1Sandbox'. Having the '{permission}' permission would allow this request to continue."
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour; see ``Faults.next``."""

    pattern: str
    status: int | None = None
    hang_seconds: float = 0.0
    reset: bool = False
    after_work: bool = False
    before_reply: Callable[[Json], object] | None = None
    lacking: str | None = None

    @property
    def error(self) -> ApiError | None:
        """What is answered instead, or None."""
        if self.lacking is not None:
            return invalid(_FORBIDDEN.format(permission=self.lacking), status=403)
        if self.status is None:
            return None
        if self.status >= 500:
            return ApiError(self.status, "api_error", "An unknown error occurred.")
        if self.status == 429:
            return invalid("Too many requests.", code="rate_limit", status=429)
        return invalid("This request fails on purpose.", status=self.status)


class Faults:
    """Faults that wait for their API call; each strikes once, in the order that they were set."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self._released = threading.Event()

    def next(
        self,
        pattern: str = "*",
        *,
        status: int | None = None,
        hang_seconds: float = 0.0,
        reset: bool = False,
        after_work: bool = False,
        before_reply: Callable[[Json], object] | None = None,
        lacking: str | None = None,
    ) -> None:
        """Spoil the next API call whose method and path match.

        :param pattern: such as ``"POST /v1/checkout/sessions"``; ``*`` stands for anything.
        :param status: answer this error. From 500 on it is kept under the call's idempotency key,
            as Stripe does; below, nothing is.
        :param hang_seconds: answer that much later; another call with the same idempotency key
            gets 409 meanwhile.
        :param reset: break the connection instead of answering.
        :param after_work: do the work first, so that only the answer is lost.
        :param before_reply: called with the answer before it is sent, e.g. to pay a session that
            its creator doesn't know yet.
        :param lacking: answer 403, as to a restricted key without this permission
            (``rak_refund_read``).
        """
        fault = Fault(pattern, status, hang_seconds, reset, after_work, before_reply, lacking)
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget the faults that haven't struck."""
        with self._lock:
            self._waiting.clear()

    def release(self) -> None:
        """End everything that hangs, for good."""
        self._released.set()

    def hang(self, fault: Fault | None, *, after_work: bool) -> None:
        """Wait if ``fault`` says so for this side of the work."""
        if fault is not None and fault.hang_seconds and fault.after_work == after_work:
            self._released.wait(fault.hang_seconds)

    def take(self, call: str) -> Fault | None:
        """Return the first fault that is meant for ``call`` (``"GET /v1/events"``)."""
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if fnmatch.fnmatchcase(call, fault.pattern):
                    return self._waiting.pop(index)
        return None


def of(environ: WSGIEnvironment) -> Fault | None:
    """Return the fault that strikes this request, or None."""
    fault: Fault | None = environ.get(_KEY)
    return fault


class FaultyConnection:
    """WSGI middleware for the faults around the application: resets, and what delays a reply.

    :param before_replies: called before the reply to every call that may have changed something.
    """

    def __init__(
        self,
        application: WSGIApplication,
        faults: Faults,
        before_replies: Callable[[], object] = lambda: None,
    ) -> None:
        self._application = application
        self._faults = faults
        self._before_replies = before_replies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        fault = None
        if path.startswith("/v1/"):
            fault = self._faults.take(f"{environ['REQUEST_METHOD']} {path}")
        if fault is None:
            answer = self._application(environ, start_response)
            if path.startswith("/v1/") and environ["REQUEST_METHOD"] != "GET":
                self._before_replies()
            return answer
        environ[_KEY] = fault
        if fault.reset and not fault.after_work:
            _reset(environ)
        chunks = list(self._application(environ, start_response))
        if fault.before_reply is not None:
            fault.before_reply(json.loads(b"".join(chunks)))
        if fault.reset:
            _reset(environ)
        return chunks


def _reset(environ: WSGIEnvironment) -> None:
    connection: Any = environ.get("werkzeug.socket")
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("the sandbox broke this connection on purpose")

"""Send the running app a signed event that means nothing, and say what its answer means."""

from __future__ import annotations

import email.utils
import http.client
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from ..credentials import Secret
from ..origins import LOOPBACK_HOSTS
from .signature import signature_header

# No type of Stripe's, so that nobody has a handler for it: the webhook ignores it.
EVENT_TYPE = "flask_stripe_credits.test"

TIMEOUT_SECONDS = 10.0
_LARGEST_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    :ivar accepted: the webhook took the event as one of Stripe's, and ignored it.
    :ivar status: of HTTP; None when nothing answered.
    :ivar verdict: of our webhook, or its problem's code; None when something else answered.
    :ivar meaning: in words, with what to do unless it was accepted.
    :ivar seconds: until the answer was there.
    """

    accepted: bool
    status: int | None
    verdict: str | None
    meaning: str
    seconds: float = 0.0


def probe(
    url: str, secret: Secret, *, livemode: bool, timeout_seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """Deliver one test event to ``url``, signed with ``secret``. Never raises for an answer.

    Writes nothing and moves no credits, whatever app is there: the type is none of Stripe's. A
    host that listens to ``webhook_received`` sees it. Safe to repeat.

    :param url: http or https; the signature is sent there, the secret isn't.
    :param timeout_seconds: for the connection, and again for the answer.
    """
    body = json.dumps(_event(livemode)).encode()
    request = urllib.request.Request(  # noqa: S310 - the callers see to the scheme
        url,
        body,
        {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "flask-stripe-credits (webhook test)",
            "Stripe-Signature": signature_header(body, secret, int(time.time())),
        },
    )
    started = time.monotonic()
    try:
        with _opener(url).open(request, timeout=timeout_seconds) as response:
            answer = _read(response.status, response.headers, response.read(_LARGEST_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            answer = _read(error.code, error.headers, error.read(_LARGEST_ANSWER))
    except (OSError, http.client.HTTPException) as error:
        answer = Answer(False, None, None, _no_answer(error, timeout_seconds))
    return replace(answer, seconds=time.monotonic() - started)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Stripe doesn't follow redirects."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if urlsplit(url).hostname in LOOPBACK_HOSTS:
        # A proxy from the environment can't reach our own loopback address.
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _event(livemode: bool) -> dict[str, Any]:
    return {
        "id": f"evt_flask_stripe_credits_test_{secrets.token_hex(8)}",
        "object": "event",
        "type": EVENT_TYPE,
        "created": int(time.time()),
        "livemode": livemode,
        "data": {"object": {"id": "test", "object": EVENT_TYPE}},
    }


def _read(status: int, headers: Message, body: bytes) -> Answer:
    document = _document(body)
    verdict = document.get("verdict") if status == 200 else document.get("code")
    verdict = verdict if isinstance(verdict, str) else None
    if status == 200 and verdict == "ignored":
        return Answer(True, status, verdict, "the webhook accepts this secret")
    if verdict == "invalid_signature":
        meaning = _signature_refused(headers)
    elif verdict == "not_configured":
        meaning = "the running app has no usable STRIPE_WEBHOOK_SECRET_CREDITS: set it and restart"
    else:
        meaning = _elsewhere(status, headers)
    return Answer(False, status, verdict, meaning)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _signature_refused(headers: Message) -> str:
    told = email.utils.parsedate_tz(headers.get("Date") or "")
    skew = email.utils.mktime_tz(told) - time.time() if told else 0.0
    if abs(skew) >= 60:
        return (
            f"the signature is refused, and the app's clock is {abs(skew):.0f} s "
            f"{'ahead of' if skew > 0 else 'behind'} this machine's: run NTP on both"
        )
    return (
        "the signature is refused: the running app has another secret than this command. "
        "Give both the same STRIPE_WEBHOOK_SECRET_CREDITS and restart the app; if its clock is "
        "wrong, run NTP"
    )


def _elsewhere(status: int, headers: Message) -> str:
    if 300 <= status < 400:
        return (
            f"it redirects to {headers.get('Location', 'nowhere')!r}: Stripe doesn't follow. "
            "Name the final address, and ask for no login and no slash on this path"
        )
    if status in _MEANINGS:
        return _MEANINGS[status]
    if 200 <= status < 300:
        return "something answered, but not our webhook: is the path right?"
    if status >= 500:
        return "the app failed: its log says why"
    return "something before our webhook refused it: a proxy, a firewall or the host's own code"


_MEANINGS = {
    401: "a login is asked for before our webhook: let this path through",
    403: "something before our webhook refused it: a firewall, or a CSRF check of the host's own",
    404: "there is no webhook at this path: compare it with STRIPE_CREDITS_URL_PREFIX",
    405: "something else answers at this path: compare it with STRIPE_CREDITS_URL_PREFIX",
    429: "a rate limit comes before our webhook: let this path through",
    502: "a proxy answered, and the app behind it didn't: is it running?",
    503: "the app isn't ready, or a proxy says so for it: see its log",
    504: "a proxy answered, and the app behind it took too long",
}


def _no_answer(error: Exception, timeout_seconds: float) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLError):
        detail = getattr(reason, "verify_message", "") or reason.reason or "TLS failed"
        return f"no TLS connection, and Stripe would get none either: {detail}"
    if isinstance(reason, ConnectionRefusedError):
        return "nothing listens there: is the app running, and is the port right?"
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout_seconds:.0f} s: a firewall, or an app that hangs"
    if isinstance(reason, OSError) and type(reason).__name__ == "gaierror":
        return "the host's name isn't known"
    return f"no answer of HTTP: {type(reason).__name__}"

"""The only package that talks to Stripe, and the only one that imports ``stripe`` — lazily.

``import stripe`` costs 140 to 190 ms, so a web worker pays it at its first call, not at its
start, and the webhook's path never does.
"""

from __future__ import annotations

from .answers import Listed, Page
from .catalog import Catalog
from .checkout_sessions import CheckoutSessions
from .events import Events
from .questions import Answer, Questions, api_version
from .reversals import Reversals
from .webhook_endpoints import WebhookEndpoints

__all__ = ["Answer", "Gateway", "Listed", "Page", "api_version"]


class Gateway(CheckoutSessions, Catalog, Reversals, WebhookEndpoints, Questions, Events):
    """Stripe, as one app with one key sees it. Safe to share between threads.

    :param http_client: what carries the library's requests; None for connections of our own.
    :param measurements: what is told of every call.
    """

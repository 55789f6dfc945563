"""What operators watch: metrics for Prometheus, the rules and the board for them, and health.

``prometheus_client`` is imported only where it is installed and metrics aren't switched off.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flask import Flask, appcontext_pushed, has_app_context

from ..config import Settings
from ..deferred import Deferred
from ..logs import Log
from ..state import state_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ..measurements import Measurements

log: Log = Log(__name__)

_uncounted = Deferred(__name__.rpartition(".")[0], "measurements:Measurements")

# A registry refuses a second of one name, and two threads may be the first.
_beginning = threading.Lock()


def is_installed() -> bool:
    """Whether metrics can be counted: ``pip install flask-stripe-credits[metrics]``."""
    return find_spec("prometheus_client") is not None


def measurements_for(
    app: Flask, settings: Settings, registry: CollectorRegistry | None
) -> Callable[[], Measurements]:
    """Return what makes that which counts the metrics of ``app``, or does nothing.

    Counting begins with the first context of the app, before which nothing can happen: importing
    ``prometheus_client`` takes as long as all of ``init_app``. Where the host has imported it, and
    may show its registry without asking the app, it begins at once.

    :param registry: where the metrics are; None for the library's own, which exporters show.
    """
    if not settings.metrics:
        return _uncounted
    if not is_installed():
        if settings.metrics_token is not None:
            log.warning(
                "metrics_missing",
                "STRIPE_CREDITS_METRICS_TOKEN is set, but nothing is counted: "
                "pip install flask-stripe-credits[metrics]",
            )
        return _uncounted
    if "prometheus_client" in sys.modules or has_app_context():
        counting = _count(app, settings, registry)
        return lambda: counting
    appcontext_pushed.connect(_begin, app)
    return lambda: _count(app, settings, registry)


def _begin(app: Flask, **_: Any) -> None:
    appcontext_pushed.disconnect(_begin, app)
    state_of(app).measurements  # noqa: B018 - made when it is first asked for


def _count(app: Flask, settings: Settings, registry: CollectorRegistry | None) -> Measurements:
    try:
        with _beginning:
            from .counting import counting_of

            return counting_of(app, settings, registry)
    except Exception:
        log.exception("metrics_failed", "nothing is counted: the metrics could not be set up")
        uncounted: Measurements = _uncounted()
        return uncounted

"""What operators watch: metrics for Prometheus, the rules and the board for them, and health.

``prometheus_client`` is imported only where it is installed and metrics aren't switched off.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from flask import Flask

from ..config import Settings
from ..logs import Log
from ..measurements import Measurements
from .health import Health as Health
from .health import health_of as health_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log: Log = Log(__name__)


def is_installed() -> bool:
    """Whether metrics can be counted: ``pip install flask-stripe-credits[metrics]``."""
    return find_spec("prometheus_client") is not None


def measurements_for(
    app: Flask, settings: Settings, registry: CollectorRegistry | None
) -> Measurements:
    """Return what counts the metrics of ``app``, or what does nothing.

    :param registry: where the metrics are; None for the library's own, which exporters show.
    """
    if not settings.metrics:
        return Measurements()
    if not is_installed():
        if settings.metrics_token is not None:
            log.warning(
                "metrics_missing",
                "STRIPE_CREDITS_METRICS_TOKEN is set, but nothing is counted: "
                "pip install flask-stripe-credits[metrics]",
            )
        return Measurements()
    from .counting import Counting

    return Counting(app, settings, registry)

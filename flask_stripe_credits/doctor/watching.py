"""Whether somebody would hear of a fault without asking the doctor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..monitoring import is_installed
from .findings import Finding, error, ok, warning
from .patient import Patient

_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


def metrics(patient: Patient) -> Iterator[Finding]:
    """Is anything counted, and shown?"""
    settings = patient.state.settings
    directory = os.environ.get(_DIRECTORY)
    if not settings.metrics:
        yield ok("off: STRIPE_CREDITS_METRICS says so")
    elif not is_installed():
        told = "prometheus_client isn't installed: nothing is counted"
        command = 'pip install "flask-stripe-credits[metrics]"'
        if settings.metrics_token is None:
            yield ok(told)
        else:
            yield warning(f"STRIPE_CREDITS_METRICS_TOKEN is set, but {told}", command=command)
    elif directory and not _can_be_written(Path(directory)):
        yield error(
            f"{_DIRECTORY} is {directory}, which can't be written to: nothing is counted",
            "make it, empty and writable for the app, before the server starts",
        )
    elif settings.metrics_token is None:
        yield ok("counted, and shown by an exporter of your own, if there is one")
    else:
        yield ok(f"counted, and shown at {settings.url_prefix}/metrics")


def _can_be_written(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)

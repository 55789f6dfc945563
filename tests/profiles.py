"""How hypothesis tries examples here: the same ones at every run, new ones in a long run.

A failure of a long run prints the ``@reproduce_failure`` that repeats it. Nothing is kept in the
tree.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, configuration, settings

from .figures import scaled

configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "flask-stripe-credits-tests")

# Databases, servers and busy machines take the time that they take.
_SLOWNESS = [HealthCheck.too_slow, HealthCheck.data_too_large]
_NOT_A_FAULT = [HealthCheck.function_scoped_fixture, *_SLOWNESS]

settings.register_profile(
    "tests", database=None, derandomize=True, deadline=None, suppress_health_check=_SLOWNESS
)
settings.load_profile("tests")


def short(examples: int) -> settings:
    """The same examples at every run."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=_NOT_A_FAULT)


def long(examples: int) -> settings:
    """Other examples at every run, as many as ``SOAK_SCALE`` says."""
    return settings(
        short(scaled(examples)),
        derandomize=False,
        print_blob=True,
        # The first counterexample counts; making it small could take longer than finding it.
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )

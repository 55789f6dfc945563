from __future__ import annotations

pytest_plugins = [
    "tests.environment",
    "tests.garbage",
    "tests.routing",
    "tests.templates",
    "tests.compiled",
    "tests.databases",
    "tests.figures",
    "tests.profiles",
    "tests.described",
    "tests.hosts",
    "tests.outside",
    "tests.stripe_stub",
    "tests.leaks",
]

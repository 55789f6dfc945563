from __future__ import annotations

pytest_plugins = ["tests.databases", "tests.hosts", "tests.stripe_stub"]

from __future__ import annotations

pytest_plugins = ["tests.databases", "tests.figures", "tests.hosts", "tests.stripe_stub"]

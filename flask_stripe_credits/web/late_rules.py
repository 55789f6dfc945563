"""Routes that are quick to add: what builds a route's address is compiled when one is first built.

Werkzeug compiles two functions for each rule, by way of a syntax tree, which took a quarter of our
start. Most routes are never asked for their address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.routing import Rule


class LateRule(Rule):
    """A rule that can be matched at once. A Werkzeug that doesn't ask this compiles as ever."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compile_builder = super()._compile_builder
        compiled: Callable[..., tuple[str, str]] | None = None

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            nonlocal compiled
            if compiled is None:
                compiled = compile_builder(append_unknown)
            return compiled(rule, **values)

        return build


@contextlib.contextmanager
def late_rules(app: Flask) -> Iterator[None]:
    """Have ``app`` make such rules meanwhile, of the class that it makes otherwise."""
    usual = app.url_rule_class
    late: Any = type(usual.__name__, (LateRule, usual), {})
    app.url_rule_class = late
    try:
        yield
    finally:
        app.url_rule_class = usual

"""Equal rules of the tests' apps share what Werkzeug compiles of them.

It makes two functions for each rule of each app. With thousands of apps of the same two dozen
rules that was a fifth of what the tests cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.routing import Rule

_compiled: dict[tuple[Any, ...], Any] = {}


def _compiling_once(compile_builder: Callable[..., Any]) -> Callable[..., Any]:
    def compile_once(rule: Any, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        # All that it is made of.
        key = (rule.rule, append_unknown, *rule._trace)
        found = _compiled.get(key)
        if found is None:
            found = _compiled[key] = compile_builder(rule, append_unknown)
        return found

    return compile_once


def pytest_configure(config: pytest.Config) -> None:
    compile_builder = getattr(Rule, "_compile_builder", None)
    if compile_builder is not None and "_trace" in Rule("/").__dict__:
        Rule._compile_builder = _compiling_once(compile_builder)  # type: ignore[method-assign]

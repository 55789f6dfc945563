"""Equal templates of the tests' apps share what Jinja compiles of them.

Each app compiles the templates that it shows. With hundreds of apps that show the same pages that
was a twentieth of what the tests cost.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class _Memory(BytecodeCache):
    """Keeps code objects as long as the process lives."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[Any, ...], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get(_key(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[_key(bucket)] = bucket.code


def _key(bucket: Bucket) -> tuple[Any, ...]:
    """The template's name and source, and what of its environment changes the code."""
    environment = bucket.environment
    options = environment.trim_blocks, environment.lstrip_blocks, *sorted(environment.extensions)
    return bucket.key, bucket.checksum, options


def pytest_configure(config: pytest.Config) -> None:
    Flask.jinja_options = {"bytecode_cache": _Memory()}

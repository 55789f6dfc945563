"""What a process doesn't need to start is imported when it is first used.

Named in tables, as text: views, handlers of errors, commands, and the public names of packages.
Two threads may be the first at once: Python imports a module once and lets the other wait.
``docs/explanation/performance.md`` tells what that saves.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar


def imported(package: str, path: str) -> Any:
    """Return what ``path`` names, ``module:name`` below ``package``."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(f".{module}", package), name)


class Deferred:
    """Stands for a function or class of ours, which is imported when it is first called.

    :param path: ``module:name`` below ``package``.
    """

    __name__: str
    __qualname__: str

    known: ClassVar[list[Deferred]] = []
    """All of them: they are made once, where modules are imported."""

    def __init__(self, package: str, path: str) -> None:
        self._where = package, path
        self._function: Callable[..., Any] | None = None
        # Flask and its extensions tell views apart by these.
        module, _, self.__name__ = path.partition(":")
        self.__qualname__ = self.__name__
        self.__module__ = f"{package}.{module}"
        self.known.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self._function or self.load())(*args, **kwargs)

    def load(self) -> Callable[..., Any]:
        """Import the function and return it. Safe to repeat."""
        function: Callable[..., Any] = imported(*self._where)
        self._function = function
        return function


def import_everything() -> None:
    """Import all that was left for later: before a server forks, so that its workers share it.

    Safe to repeat. Neither a database nor Stripe is asked for anything.
    """
    for function in Deferred.known:
        function.load()


def public_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Build a package's ``__getattr__``, https://peps.python.org/pep-0562/.

    :param homes: public name → the module below ``package`` that has it.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = imported(package, f"{homes[name]}:{name}")
        setattr(sys.modules[package], name, found)
        return found

    return find

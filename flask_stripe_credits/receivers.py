"""The host's functions that receive grants, connected so that none is lost or called twice."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from blinker import NamedSignal
from flask import Flask

from .errors import ConfigurationError
from .signals import MONEY_SIGNALS

F = TypeVar("F", bound=Callable[..., Any])

ARGUMENTS = ("purchase", "grant", "session")


class Receivers:
    """The receivers of one ``StripeCredits``, for all apps it is initialised on.

    Holds them strongly (blinker alone would drop closures without a word), and only as long as
    it lives itself. A function replaces an earlier one of the same qualified name, so that a
    factory that runs twice doesn't grant twice.
    """

    def __init__(self) -> None:
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._connected: dict[tuple[str, str], tuple[NamedSignal, Callable[..., Any]]] = {}

    def connect(self, function: F, signals: Iterable[NamedSignal] = MONEY_SIGNALS) -> F:
        """Connect ``function`` and return it.

        :raises ConfigurationError: when it is a coroutine function, or needs an argument that
            these signals don't carry.
        """
        wanted = _wanted_arguments(function)
        name = f"{function.__module__}.{function.__qualname__}"
        for signal in signals:
            # Each signal gets an object of its own: blinker tells receivers apart by identity.
            receiver = _passing(function, wanted)
            self._replace((signal.name, name), signal, receiver)
        return function

    def attach(self, app: Flask) -> None:
        """Let the receivers hear ``app`` too."""
        self._apps.add(app)
        for signal, receiver in self._connected.values():
            signal.connect(receiver, sender=app)

    def _replace(
        self, key: tuple[str, str], signal: NamedSignal, receiver: Callable[..., Any]
    ) -> None:
        earlier = self._connected.pop(key, None)
        if earlier is not None:
            signal.disconnect(earlier[1])
        self._connected[key] = signal, receiver
        for app in self._apps:
            signal.connect(receiver, sender=app)


def _wanted_arguments(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names to pass, or None for all of them (``**kwargs``)."""
    if not callable(function) or not hasattr(function, "__qualname__"):
        raise ConfigurationError(f"a receiver must be a function, not {function!r}")
    name = function.__qualname__
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(
            f"{name} is a coroutine function; receivers run inside a database transaction "
            f"and can't be awaited: make it a plain function"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{name} is a generator function: calling it would run nothing")
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        raise ConfigurationError(
            f"what arguments {name} takes can't be told: wrap it in a function of your own"
        ) from None
    wanted = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            return None
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.name in ARGUMENTS and parameter.kind is not parameter.POSITIONAL_ONLY:
            wanted.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise ConfigurationError(
                f"{name} needs an argument {parameter.name!r}; receivers are called with "
                f"{', '.join(ARGUMENTS)} by name and may leave out what they don't need"
            )
    return tuple(wanted)


def _passing(function: Callable[..., Any], wanted: tuple[str, ...] | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def receiver(sender: Flask, **arguments: Any) -> Any:
        if wanted is None:
            return function(**arguments)
        return function(**{name: arguments[name] for name in wanted})

    return receiver

"""The host's functions that receive grants, connected so that none is lost or called twice."""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from blinker import NamedSignal
from flask import Flask

from .errors import ConfigurationError
from .records import Record
from .signals import MONEY_SIGNALS

F = TypeVar("F", bound=Callable[..., Any])

ARGUMENTS = ("purchase", "grant", "session")


class Receivers:
    """The receivers of one ``StripeCredits``, for all apps it is initialised on.

    Holds them strongly (blinker alone would drop closures without a word), and only as long as
    it lives itself. A function replaces itself, defined once more by a factory that runs twice,
    so that it doesn't grant twice. Another one of the same name is refused, not dropped.
    """

    def __init__(self) -> None:
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._connected: dict[tuple[str, str], _Connected] = {}
        self._attached = 0

    def connect(self, function: F, signals: Iterable[NamedSignal] = MONEY_SIGNALS) -> F:
        """Connect ``function`` and return it.

        :raises ConfigurationError: when it is a coroutine function, needs an argument that
            these signals don't carry, or is another function than the one of its name.
        """
        wanted = _wanted_arguments(function)
        name, made_of = f"{function.__module__}.{function.__qualname__}", _made_of(function)
        for signal in signals:
            self._refuse_another((signal.name, name), made_of)
        for signal in signals:
            # Each signal gets an object of its own: blinker tells receivers apart by identity.
            receiver = _passing(function, wanted)
            connected = _Connected(
                signal=signal, receiver=receiver, made_of=made_of, attached=self._attached
            )
            self._replace((signal.name, name), connected)
        return function

    def attach(self, app: Flask) -> None:
        """Let the receivers hear ``app`` too."""
        self._apps.add(app)
        self._attached += 1
        for one in self._connected.values():
            one.signal.connect(one.receiver, sender=app)

    def _refuse_another(self, key: tuple[str, str], made_of: _MadeOf) -> None:
        """A factory that runs again attaches again, and may come with other objects then."""
        earlier = self._connected.get(key)
        if earlier is None or earlier.made_of.is_same(
            made_of, with_values=earlier.attached == self._attached
        ):
            return
        raise ConfigurationError(
            f"another receiver is called {key[1]} already, and one of them would never be called: "
            "give each a function with a name of its own. A decorator under on_grant needs "
            "functools.wraps to keep the name of what it wraps"
        )

    def _replace(self, key: tuple[str, str], connected: _Connected) -> None:
        earlier = self._connected.pop(key, None)
        if earlier is not None:
            earlier.signal.disconnect(earlier.receiver)
        self._connected[key] = connected
        for app in self._apps:
            connected.signal.connect(connected.receiver, sender=app)


class _MadeOf(Record):
    """What a function consists of, with the functions in its closure, such as a decorator's.

    :ivar codes: equal for the same lines, defined once more.
    :ivar values: objects that it is bound to: another one makes another function.
    """

    codes: Sequence[object]
    values: Sequence[object]

    def is_same(self, other: _MadeOf, *, with_values: bool) -> bool:
        if self.codes != other.codes:
            return False
        return not with_values or list(map(id, self.values)) == list(map(id, other.values))


class _Connected(Record):
    """A receiver of one signal.

    :ivar attached: how many apps had been attached when it came.
    """

    signal: NamedSignal
    receiver: Callable[..., Any]
    made_of: _MadeOf
    attached: int


def _made_of(function: Callable[..., Any]) -> _MadeOf:
    codes: list[object] = []
    values: list[object] = []
    waiting: list[object] = [function]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        if inspect.ismethod(one):
            values.append(one.__self__)
            one = one.__func__
        if not inspect.isfunction(one):
            values.append(one)
            continue
        seen.add(id(one))
        codes.append(one.__code__)
        waiting += [*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
        # A cell is empty while what it names isn't defined yet.
        for cell in one.__closure__ or ():
            with contextlib.suppress(ValueError):
                waiting.append(cell.cell_contents)
    return _MadeOf(codes=codes, values=values)


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

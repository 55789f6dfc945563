"""What a receiver may look like: it is called by name, with those arguments that it names.

For type checkers only, who report a receiver that :class:`~.receivers.Receivers` would refuse. The
session is of the host's own class, and None with the outbox: its type is left to the receiver.
"""

from __future__ import annotations

from typing import Any, Protocol

from .snapshots import GrantSnapshot, PurchaseSnapshot


class TakesNothing(Protocol):
    def __call__(self) -> object: ...


class TakesGrant(Protocol):
    def __call__(self, *, grant: GrantSnapshot) -> object: ...


class TakesPurchase(Protocol):
    def __call__(self, *, purchase: PurchaseSnapshot) -> object: ...


class TakesSession(Protocol):
    def __call__(self, *, session: Any) -> object: ...


class TakesGrantAndSession(Protocol):
    def __call__(self, *, grant: GrantSnapshot, session: Any) -> object: ...


class TakesPurchaseAndSession(Protocol):
    def __call__(self, *, purchase: PurchaseSnapshot, session: Any) -> object: ...


class TakesPurchaseAndGrant(Protocol):
    def __call__(self, *, purchase: PurchaseSnapshot, grant: GrantSnapshot) -> object: ...


class TakesAll(Protocol):
    def __call__(
        self, *, purchase: PurchaseSnapshot, grant: GrantSnapshot, session: Any
    ) -> object: ...


Receiver = (
    TakesNothing
    | TakesGrant
    | TakesPurchase
    | TakesSession
    | TakesGrantAndSession
    | TakesPurchaseAndSession
    | TakesPurchaseAndGrant
    | TakesAll
)

"""What one initialised app consists of, kept in ``app.extensions["stripe_credits"]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Session

from .config import Settings
from .deferred import Deferred
from .errors import ConfigurationError
from .models import Models
from .receivers import Receivers
from .records import Record

if TYPE_CHECKING:
    from .gateway import Gateway
    from .measurements import Measurements
    from .snapshots import PurchaseSnapshot
    from .statements import Statements

_Gateway = Deferred(__package__, "gateway:Gateway")
_Statements = Deferred(__package__, "statements:Statements")
_joined_session_class = Deferred(__package__, "joined_session:joined_session_class")

EXTENSION_KEY = "stripe_credits"

CheckoutParams = dict[str, Any]


class Callbacks:
    """The host's functions, set by decorators of :class:`~.extension.StripeCredits`."""

    user_id_loader: Callable[[], object] | None = None
    admin_check: Callable[[], object] | None = None
    balance_loader: Callable[[str], int | Decimal | None] | None = None
    user_email_loader: Callable[[str], str | None] | None = None
    mail_opt_out: Callable[[str, str], object] | None = None
    # Takes a mail.Letter, which is of a floor above.
    mail_sender: Callable[[Any], object] | None = None
    checkout_session_params: (
        Callable[[PurchaseSnapshot, CheckoutParams], Mapping[str, Any]] | None
    ) = None


class AppState(Record):
    """One app's settings, database, models and connection to Stripe.

    What only requests need is imported and made when it is first asked for.

    :ivar http_client: what carries requests to Stripe; None for connections of our own.
    :ivar built_statements: dialect → what :meth:`statements` has built.
    :ivar session_classes: the host's → what :meth:`joined_session_class` has made.
    """

    db: SQLAlchemy
    models: Models
    settings: Settings
    callbacks: Callbacks
    # Held here so that receivers live as long as the app does, not the StripeCredits object.
    receivers: Receivers
    measure: Callable[[], Measurements]
    http_client: Any
    built_statements: dict[str, Statements]
    session_classes: dict[type[Session], type[Session]]

    @cached_property
    def gateway(self) -> Gateway:
        """The app's way to Stripe."""
        gateway: Gateway = _Gateway(self.settings, self.http_client, self.measurements)
        return gateway

    @cached_property
    def measurements(self) -> Measurements:
        """What is told of everything that happens."""
        return self.measure()

    @cached_property
    def a_write(self) -> sa.Update:
        """A write to our tables, to ask a session where it would go."""
        return sa.update(self.models.table(self.models.Purchase))

    def statements(self, dialect: str) -> Statements:
        """The statements for a database; built at the first call."""
        found = self.built_statements.get(dialect)
        if found is None:
            found = self.built_statements[dialect] = _Statements(self.models, dialect)
        return found

    def joined_session_class(self, base: type[Session]) -> type[Session]:
        """The class of the sessions that receivers get; made at the first call."""
        found = self.session_classes.get(base)
        if found is None:
            found = self.session_classes[base] = _joined_session_class(base)
        return found


def current_state() -> AppState:
    """Return the state of the current app.

    :raises ConfigurationError: when ``StripeCredits`` isn't initialised on it.
    """
    return state_of(current_app_object())


def current_app_object() -> Flask:
    """The app itself, as signals need it, and not the proxy ``current_app``."""
    proxy: Any = current_app
    app: Flask = proxy._get_current_object()
    return app


def state_of(app: Flask) -> AppState:
    """Return the state of ``app``.

    :raises ConfigurationError: when ``StripeCredits`` isn't initialised on it.
    """
    try:
        state: AppState = app.extensions[EXTENSION_KEY]
    except KeyError:
        raise ConfigurationError(
            "this app has no StripeCredits: call credits.init_app(app) in its factory"
        ) from None
    return state

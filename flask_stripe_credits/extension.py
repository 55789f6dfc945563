"""The extension: what a host imports, initialises and decorates its functions with."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from .cli import register_commands
from .config import LogFormat, Settings, read_settings
from .deferred import Deferred
from .errors import ConfigurationError, Refuse
from .host_migrations import keep_out_of_host_migrations
from .logs import Log, write_json_lines
from .models import (
    CreditAuditLogMixin,
    CreditBuyerMixin,
    CreditDisputeMixin,
    CreditGrantMixin,
    CreditPackageMixin,
    CreditPaymentMixin,
    CreditPurchaseMixin,
    CreditRefundMixin,
    CreditRefundRequestMixin,
    CreditWebhookEventMixin,
    Models,
    build_models,
)
from .monitoring import measurements_for
from .receivers import Receivers
from .signals import purchase_completed, purchase_restored, purchase_reversed
from .state import EXTENSION_KEY, AppState, Callbacks, current_state
from .web.blueprint import make_blueprint
from .web.late_rules import late_rules

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from .mail import Letter
    from .receiver_types import Receiver
    from .snapshots import PurchaseSnapshot

    F = TypeVar("F", bound=Callable[..., Any])
    R = TypeVar("R", bound=Receiver)
    Loader = TypeVar("Loader", bound=Callable[[], object])
    Check = TypeVar("Check", bound=Callable[[], bool])
    BalanceLoader = TypeVar("BalanceLoader", bound=Callable[[str], int | Decimal | None])
    EmailLoader = TypeVar("EmailLoader", bound=Callable[[str], str | None])
    OptOut = TypeVar("OptOut", bound=Callable[[str, str], object])
    MailSender = TypeVar("MailSender", bound=Callable[[Letter], object])
    ParamsHook = TypeVar(
        "ParamsHook", bound=Callable[[PurchaseSnapshot, dict[str, Any]], Mapping[str, Any]]
    )

log: Log = Log(__name__)

_deliver_due = Deferred(__package__, "fulfillment:deliver_due")

_ROUTES_NEED = {
    "STRIPE_SECRET_KEY": "POST /purchase and the webhook",
    "STRIPE_WEBHOOK_SECRET_CREDITS": "the webhook",
    "STRIPE_WEBHOOK_SECRET": "the webhook",
}


class StripeCredits:
    """Sell credits in Flask apps.

    ``StripeCredits(app, db)``, or ``credits = StripeCredits(db=db)`` and later
    ``credits.init_app(app)``, or ``credits.init_app(app, db)``. One object serves any number of
    apps; what belongs to one app is kept in ``app.extensions["stripe_credits"]``.

    :param db: the host's Flask-SQLAlchemy. As soon as it is known, the models are built on its
        ``MetaData`` and are there as ``credits.Purchase``, ``credits.Grant`` and so on.
    :param purchase_class: an unmapped subclass of
        :class:`~flask_stripe_credits.models.CreditPurchaseMixin` with the host's own methods.
    :param metrics_registry: the ``prometheus_client.CollectorRegistry`` that our metrics belong
        to, when it isn't the library's own.
    :raises ConfigurationError: as :meth:`init_app`.
    """

    # The models, there as soon as db is known.
    Package: type[CreditPackageMixin]
    Purchase: type[CreditPurchaseMixin]
    Buyer: type[CreditBuyerMixin]
    RefundRequest: type[CreditRefundRequestMixin]
    Payment: type[CreditPaymentMixin]
    Refund: type[CreditRefundMixin]
    Dispute: type[CreditDisputeMixin]
    Grant: type[CreditGrantMixin]
    WebhookEvent: type[CreditWebhookEventMixin]
    AuditLog: type[CreditAuditLogMixin]

    Refuse = Refuse
    """Raise this in a receiver that can never accept a grant: ``raise credits.Refuse(reason)``."""

    def __init__(
        self,
        app: Flask | None = None,
        db: SQLAlchemy | None = None,
        *,
        purchase_class: type[CreditPurchaseMixin] = CreditPurchaseMixin,
        metrics_registry: CollectorRegistry | None = None,
    ) -> None:
        self._metrics_registry = metrics_registry
        self._db: SQLAlchemy | None = None
        self._models: Models | None = None
        self._purchase_class = purchase_class
        self._receivers = Receivers()
        self._callbacks = Callbacks()
        if db is not None:
            self._use(db)
        if app is not None:
            self.init_app(app, db)

    def init_app(self, app: Flask, db: SQLAlchemy | None = None) -> None:
        """Prepare ``app`` to sell credits. The order with other extensions never matters.

        Reads every setting of ``docs/reference/configuration.md`` once: later changes of
        ``app.config`` have no effect. Doesn't touch the database, Stripe or the network.
        Registers the API, the pages if they are on, ``flask credits`` and, with Flask-Migrate,
        keeps our tables out of the host's migrations. Logs one CRITICAL line for each missing or
        placeholder key.

        :param db: the host's Flask-SQLAlchemy, when the constructor didn't get it.
        :raises ConfigurationError: contradictory settings, no ``db``, or a second call for
            the same app.
        """
        if EXTENSION_KEY in app.extensions:
            raise ConfigurationError(
                f"StripeCredits is already initialised on app {app.name!r}; call init_app once"
            )
        if db is not None:
            self._use(db)
        models = self.models
        settings = read_settings(app.config)
        if settings.log_format is LogFormat.JSON:
            write_json_lines()
        _report_problems(settings)
        app.extensions[EXTENSION_KEY] = AppState(
            db=self._known_db(),
            models=models,
            settings=settings,
            callbacks=self._callbacks,
            receivers=self._receivers,
            measure=measurements_for(app, settings, self._metrics_registry),
            http_client=None,
            built_statements={},
            session_classes={},
        )
        with late_rules(app):
            _add_routes(app, settings)
        if settings.mail:
            from .mail.installing import install

            install(app)
        register_commands(app)
        keep_out_of_host_migrations(app, self._known_db().metadata)
        self._receivers.attach(app)

    def on_grant(self, function: R) -> R:
        """Connect ``function`` to every grant: purchase, refund, dispute, restoration.

        It is called inside the transaction that records the grant, with those of the arguments
        ``purchase``, ``grant`` and ``session`` that it names; ``grant.credits`` is signed. What
        it writes through ``session`` (which is also ``db.session``) is committed together with
        the grant; raising undoes both and makes Stripe deliver again.

        :returns: ``function``, so that this works as a decorator. One that a factory defines
            once more replaces itself.
        :raises ConfigurationError: for a coroutine function, one that needs other arguments, or
            another function than the one that has its module and qualified name.
        """
        return self._receivers.connect(function)

    def on_purchase_completed(self, function: R) -> R:
        """Connect ``function`` to a purchase's first grant only. See :meth:`on_grant`."""
        return self._receivers.connect(function, (purchase_completed,))

    def on_purchase_reversed(self, function: R) -> R:
        """Connect ``function`` to credits that are taken back only. See :meth:`on_grant`."""
        return self._receivers.connect(function, (purchase_reversed,))

    def on_purchase_restored(self, function: R) -> R:
        """Connect ``function`` to credits that are given back only. See :meth:`on_grant`."""
        return self._receivers.connect(function, (purchase_restored,))

    def deliver_due(self) -> int:
        """Hand over the grants that wait in the outbox; return how many were taken.

        For your task queue or scheduler, with ``STRIPE_CREDITS_DELIVERY`` set to ``outbox``. Needs
        an app context. Commits; safe to call at any time, in any number of processes at once.
        Grants that fail are tried again later, by a later call.

        :raises ~flask_stripe_credits.errors.DatabaseBusy: the database gave up; nothing is lost.
        """
        taken: int = _deliver_due(current_state())
        return taken

    def user_id_loader(self, function: Loader) -> Loader:
        """Let ``function`` say who is asking: it returns a user's id, or None for nobody.

        Without it Flask-Login is asked, when the app has a login manager. The id is stored as
        text of 1 to 255 characters and compared exactly.
        """
        self._callbacks.user_id_loader = function
        return function

    def admin_check(self, function: Check) -> Check:
        """Let ``function`` say whether the signed-in user is an administrator: True, or not.

        Administrators see everybody's purchases, refund, decide and edit packages, under
        ``<STRIPE_CREDITS_URL_PREFIX>/admin`` and on the operator's pages. Without this function
        nobody is one. It is only asked about somebody who is signed in, whose id goes into the
        audit log as the one who acted; anything but True is a no.

        :raises ConfigurationError: for a coroutine function, whose every answer would be a yes.
        """
        self._callbacks.admin_check = _ordinary("admin_check", function)
        return function

    def balance_loader(self, function: BalanceLoader) -> BalanceLoader:
        """Let ``function(user_id)`` say how many whole credits a user has, for pages and mail.

        It may be negative; None shows no balance. Where it raises, the error is logged and no
        balance is shown: nothing that is bought or granted depends on it.
        """
        self._callbacks.balance_loader = function
        return function

    def user_email_loader(self, function: EmailLoader) -> EmailLoader:
        """Let ``function(user_id)`` say to which address a user's mail goes; None for no mail.

        Needed for mail (``STRIPE_CREDITS_MAIL``). The addresses that buyers type at Stripe are
        neither kept nor used.

        :raises ConfigurationError: for a coroutine function.
        """
        self._callbacks.user_email_loader = _ordinary("user_email_loader", function)
        return function

    def mail_opt_out(self, function: OptOut) -> OptOut:
        """Let ``function(user_id, kind)`` say whether a user wants no mail of a kind: True, or not.

        ``kind`` is ``purchase``, ``refund``, ``dispute``, ``restored``, ``corrected`` or
        ``failed``. Where it raises, no mail is sent.

        :raises ConfigurationError: for a coroutine function, whose every answer would be a yes.
        """
        self._callbacks.mail_opt_out = _ordinary("mail_opt_out", function)
        return function

    def mail_sender(self, function: MailSender) -> MailSender:
        """Let ``function(letter)`` carry mail: put it into your task queue, or send it your way.

        Called after the commit, in the process and the request that made it, once for each
        letter; what it raises is logged. ``letter`` is a :class:`~flask_stripe_credits.mail.Letter`
        of plain texts; in your worker :func:`flask_stripe_credits.mail.send` sends it. Without
        this function a thread of each process sends mail.

        :raises ConfigurationError: for a coroutine function, which nothing would run.
        """
        self._callbacks.mail_sender = _ordinary("mail_sender", function)
        return function

    def checkout_session_params(self, function: ParamsHook) -> ParamsHook:
        """Let ``function(purchase, params)`` return the Checkout Session's parameters.

        Called once for each purchase, inside the transaction that creates it. Anything may be
        added (``customer_email``, ``locale``, ``custom_text`` …) but what carries identity,
        price, quantity, capture, recovery or shipping: changing that raises
        :class:`~flask_stripe_credits.errors.ConfigurationError` and answers 500.
        """
        self._callbacks.checkout_session_params = function
        return function

    @property
    def models(self) -> Models:
        """All models on the host's metadata.

        :raises ConfigurationError: while ``db`` isn't known.
        """
        if self._models is None:
            raise ConfigurationError(
                "StripeCredits needs your SQLAlchemy object: "
                "StripeCredits(db=db) or credits.init_app(app, db)"
            )
        return self._models

    def _use(self, db: SQLAlchemy) -> None:
        if self._db is not None and self._db is not db:
            raise ConfigurationError(
                "this StripeCredits already belongs to another SQLAlchemy object; "
                "make one StripeCredits for each db"
            )
        self._db = db
        self._models = build_models(db.metadata, self._purchase_class)
        vars(self).update(vars(self._models))

    def _known_db(self) -> SQLAlchemy:
        if self._db is None:
            raise AssertionError("models are only built once db is known")
        return self._db


def _ordinary(role: str, function: F) -> F:
    if inspect.iscoroutinefunction(function):
        name = getattr(function, "__qualname__", "it")
        raise ConfigurationError(f"{role} {name} must be an ordinary function, not async")
    return function


def _add_routes(app: Flask, settings: Settings) -> None:
    app.register_blueprint(make_blueprint(), url_prefix=settings.url_prefix)
    if settings.pages is not None:
        from .web.pages import make_pages

        app.register_blueprint(make_pages(), url_prefix=settings.pages)


def _report_problems(settings: Settings) -> None:
    if _runs_a_command_of_ours():
        return
    for key, problem in settings.problems.items():
        log.critical(
            "setting_unusable",
            "%s %s: until it is mended, 503 is the answer of %s",
            key,
            problem,
            _ROUTES_NEED[key],
        )


def _runs_a_command_of_ours() -> bool:
    """``flask credits …`` serves no routes, and says itself which setting it misses."""
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    root = context.find_root()
    # The app is made while click still looks for the command, which only the line itself tells.
    try:
        _, words, _ = root.command.make_parser(root).parse_args(sys.argv[1:])
    except click.UsageError:
        # Somebody runs click with another line than the process's.
        return False
    return words[:1] == ["credits"]

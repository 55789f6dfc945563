"""What buyers, their banks and the merchant do, for tests that have no browser and no dashboard."""

from __future__ import annotations

from collections.abc import Iterable

from . import (
    bank_accounts,
    bulk,
    cards,
    debits,
    disputes,
    endpoints,
    methods,
    payments,
    refunds,
    sessions,
)
from .bulk import Sold
from .clock import Clock
from .deliveries import Courier
from .disputes import Closes
from .errors import no_such
from .payments import Outcome
from .refunds import Begins, Settles
from .store import Json, Store
from .world import World

_CARD_MONTHS = 13
_DAY_SECONDS = 24 * 60 * 60


class Acts:
    """The part of ``Sandbox`` that moves money.

    Each act is one transaction: its objects and its events, or nothing.
    """

    clock: Clock
    store: Store
    courier: Courier
    _world: World

    def pay(
        self,
        session_id: str,
        card: str = "4242424242424242",
        *,
        email: str = "buyer@example.com",
        name: str = "Sandbox Buyer",
        passed: bool = True,
        wait_seconds: float | None = 10.0,
    ) -> Outcome:
        """Pay as a buyer would on the page, and wait until the webhook was answered once.

        :param card: number of a test card, or of a test bank account, whose money comes later.
        :param passed: how the buyer answers 3-D Secure, if asked.
        :param wait_seconds: how long to wait for ``checkout.session.completed``'s endpoints;
            None to leave the delivery to whoever delivers.
        :raises NotOpen: when the session was paid or expired before.
        :raises ApiError: when there is no such session or card, or it doesn't go with the session.
        """
        world = self._world
        billing = {
            "email": email,
            "name": name,
            "address": {"country": "US", "postal_code": "94107"},
        }
        method = methods.create(world, {**self._details(card), "billing_details": billing})
        outcome = payments.confirm(world, session_id, method)
        if outcome.result == "requires_action":
            outcome = payments.authenticate(world, session_id, passed=passed)
        if outcome.completed_event is not None and wait_seconds is not None:
            self.courier.wait_for_first_attempts(outcome.completed_event, wait_seconds)
        return outcome

    def _details(self, number: str) -> Json:
        account = bank_accounts.BY_NUMBER.get(number)
        if account is None:
            month, year = cards.months_ahead(_CARD_MONTHS, self.clock.time())
            card = {"number": number, "exp_month": month, "exp_year": year, "cvc": "123"}
            return {"type": "card", "card": card}
        if account.type == "sepa_debit":
            return {"type": "sepa_debit", "sepa_debit": {"iban": number}}
        given = {
            "account_number": number,
            "routing_number": bank_accounts.TEST_ROUTING_NUMBER,
        }
        return {"type": "us_bank_account", "us_bank_account": given}

    def sell(self, all_params: Iterable[Json]) -> list[Sold]:
        """Have many sessions that were paid long ago, without events and webhooks.

        :param all_params: for each session those of ``POST /v1/checkout/sessions``, and ``created``
            (seconds since the epoch) unless it is now. A ``price`` is quicker than a
            ``price_data``.
        :raises ApiError: when a session can't be opened, or costs nothing; then there is none.
        """
        return bulk.sell(self._world, all_params)

    def settle_payment(self, id: str, *, succeeded: bool | None = None) -> Json:
        """Have the bank pay a debit that is under way, or refuse to.

        :param id: the session's or the payment intent's.
        :param succeeded: None for what the test account does; one that never says pays.
        :return: the session, or the payment intent when it has none.
        :raises ApiError: when nothing there waits for a bank.
        """
        with self.store.transaction():
            return debits.settle(self._world, id, succeeded=succeeded)

    def expire(self, session_id: str) -> Json:
        """Expire an open checkout session now.

        :raises ApiError: when it isn't open.
        """
        with self.store.transaction():
            return sessions.expire(self._world, session_id)

    def refund(
        self,
        payment_intent: str,
        amount: int | None = None,
        *,
        status: Begins | None = None,
        reason: str | None = None,
    ) -> Json:
        """Refund a payment, as the merchant would in Stripe's dashboard; return the refund.

        :param amount: minor units; None for all that is left.
        :param status: how it begins; None for what the payment method does by itself.
        :raises ApiError: when there is nothing to refund, or not so much.
        """
        given = {"payment_intent": payment_intent, "amount": amount, "reason": reason}
        params = {name: value for name, value in given.items() if value is not None}
        with self.store.transaction():
            return refunds.create(self._world, params, status=status)

    def settle_refund(self, refund_id: str, status: Settles) -> Json:
        """Have a refund succeed, fail or be canceled; one that succeeded may still fail.

        :raises ApiError: when there is no such refund, or it can't become that any more.
        """
        with self.store.transaction():
            return refunds.settle(self._world, refund_id, status)

    def dispute(
        self,
        payment_intent: str,
        amount: int | None = None,
        *,
        inquiry: bool = False,
        reason: str = "fraudulent",
    ) -> Json:
        """Have the buyer's bank dispute a payment; return the dispute.

        :param amount: minor units; None for the whole charge, whatever was refunded.
        :param inquiry: whether the bank only asks for now, and leaves the money where it is.
        :raises ApiError: when the payment took no money.
        """
        with self.store.transaction():
            intent = self.store.get("payment_intent", payment_intent) or {}
            charge = self.store.get("charge", intent.get("latest_charge") or "")
            if charge is None:
                raise no_such("payment_intent", payment_intent, param="payment_intent")
            return disputes.create(
                self._world, charge, amount=amount, reason=reason, inquiry=inquiry
            )

    def escalate(self, dispute_id: str) -> Json:
        """Turn an inquiry into a dispute that takes the money.

        :raises ApiError: when it isn't an open inquiry.
        """
        with self.store.transaction():
            return disputes.escalate(self._world, dispute_id)

    def close_dispute(self, dispute_id: str, status: Closes) -> Json:
        """Have the bank decide. ``won`` returns the money, also after ``lost``: an appeal.

        :param status: ``warning_closed`` for an inquiry.
        :raises ApiError: when there is no such dispute, or it can't end so any more.
        """
        with self.store.transaction():
            return disputes.close(self._world, dispute_id, status)

    def rotate_secret(self, endpoint_id: str, *, keep_old_seconds: float = _DAY_SECONDS) -> str:
        """Give an endpoint a new secret; return it.

        :param keep_old_seconds: how long events are signed with the old one too; 0 for not at all.
        :raises ApiError: when there is no such endpoint.
        """
        with self.store.transaction():
            return endpoints.rotate(self._world, endpoint_id, keep_old_seconds=keep_old_seconds)

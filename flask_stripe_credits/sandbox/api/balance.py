"""``/v1/balance``, ``/v1/balance_transactions`` and ``/v1/account``"""

from __future__ import annotations

from .. import balance
from ..objects.account import account
from ..params import Currency, Text, later
from ..store import Json
from .listing import PAGING, exactly, listed
from .lookup import named
from .routing import Call, Routes

routes: Routes = Routes()


@routes.get("/v1/balance")
def retrieve_balance(call: Call) -> Json:
    # Nobody waits for money here: no payouts, and what was taken is there.
    sums = balance.total(call.world) or {"usd": 0}
    return {
        "object": "balance",
        "available": [_amount(currency, amount) for currency, amount in sums.items()],
        "livemode": False,
        "pending": [_amount(currency, 0) for currency in sums],
    }


def _amount(currency: str, amount: int) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


@routes.get("/v1/balance_transactions/<id>")
def retrieve(call: Call) -> Json:
    return named(call, "balance_transaction")


@routes.get(
    "/v1/balance_transactions",
    {**PAGING, **later("payout"), "currency": Currency(), "source": Text(255), "type": Text(100)},
)
def list_(call: Call) -> Json:
    where = exactly(call, "currency", "source", "type")
    return listed(call, "balance_transaction", "/v1/balance_transactions", where)


@routes.get("/v1/account")
def retrieve_account(call: Call) -> Json:
    return account()

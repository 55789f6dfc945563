"""Give money back: a request of our own first, then Stripe is asked; the effect is a fact."""

from .making import LONGEST_REASON as LONGEST_REASON
from .making import RefundOutcome as RefundOutcome
from .making import refund_purchase as refund_purchase
from .requests import Refunded as Refunded
from .requests import ended_requests as ended_requests

"""Facts: what Stripe says and what operators decided, joined so that order doesn't matter.

Recording locks the rows it speaks of, payment before purchase, and returns what to write;
:mod:`.fulfillment` writes it together with the results. Nothing here changes credits.
"""

from .decisions import FlaggedEvent as FlaggedEvent
from .decisions import Ruling as Ruling
from .decisions import record_acceptance as record_acceptance
from .decisions import record_dismissal as record_dismissal
from .decisions import record_event_acceptance as record_event_acceptance
from .decisions import record_event_dismissal as record_event_dismissal
from .decisions import undecided_or_raise as undecided_or_raise
from .recorded import IGNORED as IGNORED
from .recorded import Reasons as Reasons
from .recorded import Recorded as Recorded
from .recorded import Row as Row
from .recorded import Verdict as Verdict
from .recorded import lock_facts as lock_facts
from .recorded import lock_payment as lock_payment
from .recorded import lock_purchase as lock_purchase
from .results import Decision as Decision
from .results import PurchaseStatus as PurchaseStatus
from .results import Reversals as Reversals
from .results import posts_nothing as posts_nothing
from .results import results_of as results_of
from .results import reversals_of as reversals_of
from .results import status_of as status_of
from .results import target as target
from .reversals import Funds as Funds
from .reversals import dispute_rank as dispute_rank
from .reversals import dispute_takes as dispute_takes
from .reversals import record_dispute as record_dispute
from .reversals import record_refunds as record_refunds
from .reversals import refund_rank as refund_rank
from .reversals import refund_takes as refund_takes
from .reversals import refunded_so_far as refunded_so_far
from .sessions import SessionNews as SessionNews
from .sessions import facts_of_session as facts_of_session
from .sessions import news_of as news_of
from .sessions import record_session as record_session
from .sessions import record_unopened as record_unopened

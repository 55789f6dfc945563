"""The signals. Sender is always the Flask app; the reference page lists every argument.

The first three are sent inside the transaction that records the change: raising rolls all of
it back and makes Stripe deliver the event again.
"""

from __future__ import annotations

from blinker import NamedSignal, Namespace

_signals = Namespace()

# Credits to allocate: purchase, grant, session.
purchase_completed: NamedSignal = _signals.signal("purchase_completed")
# Credits to take back (refund, dispute): purchase, grant (credits < 0), session.
purchase_reversed: NamedSignal = _signals.signal("purchase_reversed")
# Credits to give back (refund failed, dispute won): purchase, grant, session.
purchase_restored: NamedSignal = _signals.signal("purchase_restored")

# After the commit, best effort, exceptions are logged.
# Every grant: purchase, grant.
grant_committed: NamedSignal = _signals.signal("grant_committed")
# A checkout was opened at Stripe: purchase.
purchase_created: NamedSignal = _signals.signal("purchase_created")
# A delayed payment failed: purchase.
purchase_failed: NamedSignal = _signals.signal("purchase_failed")
# The checkout expired unpaid: purchase.
purchase_expired: NamedSignal = _signals.signal("purchase_expired")
# Somebody has to look: purchase, reason.
purchase_flagged: NamedSignal = _signals.signal("purchase_flagged")

# A verified event of a type that we don't handle, before the answer: event (a dict).
# Raising makes Stripe deliver it again.
webhook_received: NamedSignal = _signals.signal("webhook_received")

MONEY_SIGNALS = (purchase_completed, purchase_reversed, purchase_restored)

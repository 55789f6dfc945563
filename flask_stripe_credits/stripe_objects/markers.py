"""What our objects at Stripe are known by, in their metadata: a pointer, never a quantity."""

from __future__ import annotations

SITE_MARKER = "flask_stripe_credits"
PURCHASE_MARKER = "purchase_id"
PACKAGE_MARKER = "package_code"
REQUEST_MARKER = "refund_request"
# Which signing secret of an endpoint was handed over: a part of its SHA-256.
FINGERPRINT_MARKER = "secret_fingerprint"

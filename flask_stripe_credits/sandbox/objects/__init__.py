"""Stripe's objects as plain JSON, complete and without any behaviour."""

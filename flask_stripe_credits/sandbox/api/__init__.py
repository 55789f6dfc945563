"""Stripe's HTTP API, as far as the sandbox speaks it."""

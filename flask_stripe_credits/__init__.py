"""Sell credits in a Flask app through Stripe Checkout."""

"""The shop: what there is to buy."""

from __future__ import annotations

from flask import render_template

from .visitors import visitor


def shop() -> str:
    """The packages that are for sale."""
    visitor()
    return render_template("flask_stripe_credits/shop.html")

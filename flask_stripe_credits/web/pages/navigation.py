"""The links between our pages."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request, url_for

from .texts import text


@dataclass(frozen=True, slots=True)
class Link:
    """One of our pages, as a link to it says."""

    label: str
    url: str
    is_current: bool


def navigation() -> list[Link]:
    """The pages that the reader may open, in order."""
    return [_link(text("Buy credits"), "shop"), _link(text("Purchases"), "history")]


def _link(label: str, view: str) -> Link:
    endpoint = f"stripe_credits_pages.{view}"
    return Link(label, url_for(endpoint), request.endpoint == endpoint)

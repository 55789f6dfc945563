"""The links between our pages."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request, url_for

from .dashboard.guard import is_administrator
from .texts import text


@dataclass(frozen=True, slots=True)
class Link:
    """One of our pages, as a link to it says."""

    label: str
    url: str
    is_current: bool


def navigation() -> list[Link]:
    """The pages that the reader may open, in order."""
    links = [_link(text("Buy credits"), "shop"), _link(text("Purchases"), "history")]
    if is_administrator():
        links.append(_link(text("Dashboard"), "dashboard"))
    return links


def _link(label: str, view: str) -> Link:
    endpoint = f"stripe_credits_pages.{view}"
    here = (request.endpoint or "").removeprefix("stripe_credits_pages.")
    return Link(label, url_for(endpoint), here.partition("_")[0] == view)

"""What templates call: ``fsc_text``, ``fsc_plural`` and what is in ``fsc``.

The names are ours alone, so that they hide nothing of the host's in its own layout.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from . import form_tokens, formats, texts
from .assets import asset_url
from .navigation import navigation

_TOOLS = SimpleNamespace(
    asset=asset_url,
    day=formats.day,
    language=texts.language,
    machine_time=formats.machine_time,
    moment=formats.moment,
    money=formats.money,
    navigation=navigation,
    number=formats.number,
    token=form_tokens.make_token,
    token_field=form_tokens.token_field,
)


def template_tools() -> dict[str, Any]:
    """The context of every template that is rendered for one of our pages."""
    return {"fsc": _TOOLS, "fsc_text": texts.text, "fsc_plural": texts.plural}

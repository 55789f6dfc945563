"""Mail to buyers: what they bought, what was taken back, what failed. Off unless switched on.

After the commit and beside it: no mail, no mail server and no error here can move a credit, and
none can hold the webhook's answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deferred import public_names

if TYPE_CHECKING:
    from .letters import Kind, Letter
    from .office import wait_until_sent
    from .sending import send

__all__ = ["Kind", "Letter", "send", "wait_until_sent"]

if not TYPE_CHECKING:  # To a type checker any name would be one.
    __getattr__ = public_names(
        __name__,
        {"Kind": "letters", "Letter": "letters", "send": "sending", "wait_until_sent": "office"},
    )

"""Mail to buyers: what they bought, what was taken back, what failed. Off unless switched on.

After the commit and beside it: no mail, no mail server and no error here can move a credit, and
none can hold the webhook's answer.
"""

from __future__ import annotations

from .letters import Kind, Letter
from .office import install, wait_until_sent
from .sending import send

__all__ = ["Kind", "Letter", "install", "send", "wait_until_sent"]

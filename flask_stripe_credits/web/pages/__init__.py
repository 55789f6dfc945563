"""Ready-made pages: server-rendered, without JavaScript if need be, in the host's own layout."""

from __future__ import annotations

from .blueprint import make_pages

__all__ = ["make_pages"]

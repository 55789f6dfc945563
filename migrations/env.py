"""Alembic's environment; ``flask_stripe_credits.revisions`` runs it on a locked connection."""

from __future__ import annotations

from alembic import context

context.configure(**context.config.attributes["configure"])

with context.begin_transaction():
    context.run_migrations()

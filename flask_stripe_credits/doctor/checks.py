"""The checks, in the order in which a new installation meets them. Their ids are stable."""

from __future__ import annotations

from . import (
    clock,
    database,
    going_live,
    login,
    money_waiting,
    packages,
    receivers,
    redirects,
    settings,
    stripe_account,
)
from .examination import Check

CHECKS = (
    Check("versions", "Versions", going_live.versions),
    Check("secret_key", "API key", settings.secret_key),
    Check("publishable_key", "Publishable key", settings.publishable_key),
    Check("webhook_secret", "Webhook secret", settings.webhook_secret),
    Check("setting_names", "Names of settings", settings.setting_names),
    Check("settings_in_use", "Settings in use", settings.settings_in_use),
    Check("redirects", "Return addresses", redirects.redirects),
    Check("live_mode", "Live mode", going_live.live_mode),
    Check("receivers", "Receivers", receivers.receivers),
    Check("login", "Login", login.login),
    Check("database", "Database", database.database),
    Check("tables", "Tables", database.tables, needs=("database",)),
    Check("packages", "Packages", packages.packages, needs=("tables",)),
    Check("stripe", "Stripe", stripe_account.accepted, needs=("secret_key",)),
    Check("permissions", "Permissions", stripe_account.permissions, needs=("stripe",)),
    Check("account", "Account", stripe_account.account, needs=("stripe",)),
    Check("clock", "Clock", clock.clock, needs=("stripe",)),
    Check("prices", "Prices", packages.prices, needs=("packages", "stripe")),
    Check("last_webhook", "Last webhook", money_waiting.last_webhook, needs=("tables",)),
    Check("paid_not_granted", "Paid purchases", money_waiting.paid_not_granted, needs=("tables",)),
    Check("undelivered", "Outbox", money_waiting.undelivered, needs=("tables",)),
    Check("failed_events", "Failed events", money_waiting.failed_events, needs=("tables",)),
    Check("reviews", "Reviews", money_waiting.reviews, needs=("tables",)),
)

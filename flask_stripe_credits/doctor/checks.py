"""The checks, in the order in which a new installation meets them. Their ids are stable."""

from __future__ import annotations

from . import (
    clock,
    database,
    endpoint,
    going_live,
    login,
    mail,
    missed,
    money_waiting,
    packages,
    receivers,
    redirects,
    settings,
    stripe_account,
    watching,
)
from .examination import Check

_SIGNING = ("secret_key", "webhook_secret")

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
    Check("administrators", "Administrators", login.administrators),
    Check("pages", "Pages", login.pages),
    Check("metrics", "Metrics", watching.metrics),
    Check("mail", "Mail", mail.mail),
    Check("database", "Database", database.database),
    Check("tables", "Tables", database.tables, ("database",)),
    Check("packages", "Packages", packages.packages, ("tables",)),
    Check("stripe", "Stripe", stripe_account.accepted, ("secret_key",)),
    Check("permissions", "Permissions", stripe_account.permissions, ("stripe",)),
    Check("account", "Account", stripe_account.account, ("stripe",)),
    Check("clock", "Clock", clock.clock, ("stripe",)),
    Check("prices", "Prices", packages.prices, ("packages", "stripe")),
    Check("mode_of_data", "Mode of the data", database.mode_of_data, ("tables", "secret_key")),
    Check("webhook_endpoint", "Webhook endpoint", endpoint.at_stripe, ("stripe",)),
    Check("webhook_answer", "Webhook's answer", endpoint.running_app, _SIGNING),
    Check("last_webhook", "Last webhook", money_waiting.last_webhook, ("tables",)),
    Check("undelivered_events", "Events", missed.undelivered_events, ("tables", "stripe")),
    Check("unrecorded_payments", "Payments", missed.unrecorded_payments, ("tables", "stripe")),
    Check("paid_not_granted", "Paid purchases", money_waiting.paid_not_granted, ("tables",)),
    Check("undelivered", "Outbox", money_waiting.undelivered, ("tables",)),
    Check("failed_events", "Failed events", money_waiting.failed_events, ("tables",)),
    Check("open_refunds", "Refunds", money_waiting.open_refunds, ("tables",)),
    Check("reviews", "Reviews", money_waiting.reviews, ("tables",)),
)

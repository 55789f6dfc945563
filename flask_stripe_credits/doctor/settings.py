"""The keys and secrets, by their last four characters, and settings that have no effect."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..config import (
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Settings,
    publishable_key_trouble,
    read_settings,
    unknown_settings,
)
from ..errors import ConfigurationError
from .dot_env import how_to_set
from .findings import Finding, error, ok, warning
from .patient import Patient

_RESTART = "then restart the app: it reads its settings once, when it starts"


def secret_key(patient: Patient) -> Iterator[Finding]:
    """Is there an API key, and which?"""
    settings = patient.state.settings
    key = settings.secret_key
    if key is None:
        yield error(
            f"{SECRET_KEY} {settings.problems[SECRET_KEY]}",
            how_to_set(patient, SECRET_KEY)
            or f"set {SECRET_KEY} to the secret key from https://dashboard.stripe.com/apikeys, "
            f"{_RESTART}. Without an account: `flask credits dev`",
        )
        return
    kind, mode, _ = key.reveal().split("_", 2)
    name = "restricted" if kind == "rk" else "secret"
    yield ok(f"a {mode} key ({name}) that ends in …{key.last4}")
    if settings.api_base is not None and settings.livemode:
        yield error(
            f"a live key, and STRIPE_CREDITS_API_BASE sends it to {settings.api_base}",
            f"take STRIPE_CREDITS_API_BASE out, {_RESTART}",
        )


def publishable_key(patient: Patient) -> Iterator[Finding]:
    """Is what the host's pages would show a publishable key?"""
    trouble = publishable_key_trouble(patient.app.config, os.environ)
    if trouble is not None:
        yield error(
            f"{PUBLISHABLE_KEY} {trouble}",
            f"set {PUBLISHABLE_KEY} to the pk_… key of the same mode, or take it out: only pages "
            "of your own need it",
        )
    else:
        yield ok("unset or of the API key's mode")


def webhook_secret(patient: Patient) -> Iterator[Finding]:
    """Is there a secret to verify deliveries with, and which?"""
    settings = patient.state.settings
    secrets = settings.webhook_secrets
    problems = {
        name: text for name, text in settings.problems.items() if name.startswith("STRIPE_WEBHOOK")
    }
    if not secrets:
        yield error(
            f"{WEBHOOK_SECRET} {problems[WEBHOOK_SECRET]}",
            how_to_set(patient, WEBHOOK_SECRET)
            or f"set {WEBHOOK_SECRET} to the signing secret of the endpoint (see "
            f"webhook_endpoint), {_RESTART}",
        )
        return
    for name, text in problems.items():
        yield warning(f"{name} {text}", "take the value that isn't a secret out")
    ends = " and ".join(f"…{secret.last4}" for secret in secrets)
    if len(secrets) == 1:
        yield ok(f"one secret that ends in {ends}")
    else:
        yield ok(f"{len(secrets)} secrets, for a rotation: they end in {ends}")


def setting_names(patient: Patient) -> Iterator[Finding]:
    """Is there a setting whose name nobody reads?"""
    unknown = unknown_settings(patient.app.config) | unknown_settings(os.environ)
    for name, near in sorted(unknown.items()):
        hint = f"did you mean {near}?" if near else "see the list of settings in the documentation"
        yield warning(f"{name} is not a setting of this version and is ignored", hint)
    if not unknown:
        yield ok("every STRIPE_CREDITS_… name is one that is read")


def settings_in_use(patient: Patient) -> Iterator[Finding]:
    """Does the app use what its configuration says now?"""
    used = patient.state.settings
    try:
        configured = read_settings(patient.app.config)
    except ConfigurationError as trouble:
        yield error(
            f"app.config was changed after init_app, and now {trouble}", "set it before init_app"
        )
        return
    changed = [
        _setting_of(name)
        for name in Settings.names()
        if name not in ("problems", "livemode") and getattr(used, name) != getattr(configured, name)
    ]
    if not changed:
        yield ok("as they were when the app started; a change needs a restart")
        return
    yield warning(
        f"app.config was changed after init_app, without effect: {', '.join(changed)}"
        + _which_key(used, configured),
        "set it before init_app, or restart",
    )


def _setting_of(field: str) -> str:
    known = {"secret_key": SECRET_KEY, "webhook_secrets": WEBHOOK_SECRET}
    return known.get(field, f"STRIPE_CREDITS_{field.upper()}")


def _which_key(used: Settings, configured: Settings) -> str:
    if used.secret_key == configured.secret_key or used.secret_key is None:
        return ""
    return f"; the key in use still ends in …{used.secret_key.last4}"

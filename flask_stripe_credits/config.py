"""Settings: read once in ``init_app``, from ``app.config`` first, then from the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from .credentials import (
    Secret,
    fault_of_publishable_key,
    fault_of_secret_key,
    is_placeholder,
    is_publishable_key,
    livemode_of,
    usable_signing_secrets,
)
from .errors import ConfigurationError, NotConfigured
from .logs import Log
from .origins import origin_of
from .records import Record
from .setting_source import SettingSource, split_values

log: Log = Log(__name__)

_URL_PREFIX = re.compile(r"(/(?!\.{1,2}(/|\Z))[A-Za-z0-9_.~-]+)+\Z")


class Delivery(StrEnum):
    """How a grant is handed to the host's receivers."""

    TRANSACTION = "transaction"
    OUTBOX = "outbox"


class LogFormat(StrEnum):
    """Who writes our log records: the host's own logging, or we, one line of JSON each."""

    HOST = "host"
    JSON = "json"


class Settings(Record):
    """Everything that configures one app. Frozen: a restart is what changes it.

    :ivar secret_key: None when missing or a placeholder; ``problems`` says which.
    :ivar livemode: the mode of the API key; None without a usable one.
    :ivar webhook_secrets: the usable ones, in the order given.
    :ivar pages: URL prefix of the pages, None when they are off.
    :ivar mail: whether buyers get mail.
    :ivar problems: setting name → what is wrong with it, for ``doctor`` and the log.
    """

    secret_key: Secret | None
    webhook_secrets: tuple[Secret, ...]
    livemode: bool | None
    url_prefix: str
    base_url: str | None
    success_url: str | None
    cancel_url: str | None
    allowed_redirect_origins: tuple[str, ...]
    site: str
    api_base: str | None
    session_expires_seconds: int | None
    max_open_sessions: int
    max_sessions_per_hour: int
    webhook_tolerance_seconds: int
    delivery: Delivery
    log_format: LogFormat
    metrics: bool
    metrics_token: Secret | None
    allow_promotion_codes: bool
    automatic_tax: bool
    allow_free: bool
    public_packages: bool
    pages: str | None
    mail: bool
    problems: Mapping[str, str]

    def require_secret_key(self) -> Secret:
        """Return the API key.

        :raises NotConfigured: when it is missing or a placeholder.
        """
        if self.secret_key is None:
            raise NotConfigured(SECRET_KEY, self.problems[SECRET_KEY])
        return self.secret_key

    def require_webhook_secrets(self) -> tuple[Secret, ...]:
        """Return the webhook signing secrets, at least one.

        :raises NotConfigured: when none is usable.
        """
        if not self.webhook_secrets:
            raise NotConfigured(WEBHOOK_SECRET, self.problems[WEBHOOK_SECRET])
        return self.webhook_secrets

    def require_livemode(self) -> bool:
        """Return whether live money is handled.

        :raises NotConfigured: when no usable API key tells the mode.
        """
        if self.livemode is None:
            raise NotConfigured(SECRET_KEY, self.problems[SECRET_KEY])
        return self.livemode


SECRET_KEY = "STRIPE_SECRET_KEY"  # noqa: S105 - names of settings
API_KEY = "STRIPE_API_KEY"
PUBLISHABLE_KEY = "STRIPE_PUBLISHABLE_KEY"
WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET_CREDITS"  # noqa: S105
WEBHOOK_SECRET_FALLBACK = "STRIPE_WEBHOOK_SECRET"  # noqa: S105


def read_settings(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check every setting. Missing keys are noted in ``problems``, not raised.

    :raises ConfigurationError: for contradictions that nothing later can mend; names the key.
    """
    source = SettingSource(config, environ)
    _check_names({**environ, **config})
    problems: dict[str, str] = {}
    secret_key, livemode = _read_secret_key(source, problems)
    _check_publishable_key(source, livemode)
    base_url, url_prefix = _base_url(source), _url_prefix(source)
    pages = _pages(source, url_prefix)
    return Settings(
        secret_key=secret_key,
        webhook_secrets=_read_webhook_secrets(source, problems),
        livemode=livemode,
        url_prefix=url_prefix,
        base_url=base_url,
        success_url=source.text("STRIPE_CREDITS_SUCCESS_URL") or _return_page(pages, "paid"),
        cancel_url=source.text("STRIPE_CREDITS_CANCEL_URL") or _return_page(pages, "left"),
        allowed_redirect_origins=_origins(source, base_url),
        site=_site(source, base_url),
        api_base=_api_base(source),
        session_expires_seconds=source.integer(
            "STRIPE_CREDITS_SESSION_EXPIRES_SECONDS", None, 2_100, 82_800
        ),
        max_open_sessions=_required(source, "STRIPE_CREDITS_MAX_OPEN_SESSIONS", 10, 1, 1_000),
        max_sessions_per_hour=_required(
            source, "STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR", 30, 1, 10_000
        ),
        webhook_tolerance_seconds=_required(
            source, "STRIPE_CREDITS_WEBHOOK_TOLERANCE_SECONDS", 300, 1, 3_600
        ),
        delivery=source.choice("STRIPE_CREDITS_DELIVERY", Delivery, Delivery.TRANSACTION),
        log_format=source.choice("STRIPE_CREDITS_LOG_FORMAT", LogFormat, LogFormat.HOST),
        metrics=source.boolean("STRIPE_CREDITS_METRICS", default=True),
        metrics_token=_metrics_token(source),
        allow_promotion_codes=source.boolean("STRIPE_CREDITS_ALLOW_PROMOTION_CODES"),
        automatic_tax=source.boolean("STRIPE_CREDITS_AUTOMATIC_TAX"),
        allow_free=source.boolean("STRIPE_CREDITS_ALLOW_FREE"),
        public_packages=source.boolean("STRIPE_CREDITS_PUBLIC_PACKAGES"),
        pages=pages,
        mail=source.boolean("STRIPE_CREDITS_MAIL"),
        problems=problems,
    )


_PREFIX = "STRIPE_CREDITS_"
# An S is easily forgotten.
_LOOKS_LIKE_OURS = "STRIPE_CREDIT"
_NAMES = frozenset(
    _PREFIX + name
    for name in (
        "ALLOWED_REDIRECT_ORIGINS",
        "ALLOW_FREE",
        "ALLOW_PROMOTION_CODES",
        "API_BASE",
        "AUTOMATIC_TAX",
        "BASE_URL",
        "CANCEL_URL",
        "DELIVERY",
        "LOG_FORMAT",
        "MAIL",
        "MAX_OPEN_SESSIONS",
        "MAX_SESSIONS_PER_HOUR",
        "METRICS",
        "METRICS_TOKEN",
        "METRICS_TOKEN_FILE",
        "PAGES",
        "PUBLIC_PACKAGES",
        "SESSION_EXPIRES_SECONDS",
        "SITE",
        "SUCCESS_URL",
        "URL_PREFIX",
        "WEBHOOK_TOLERANCE_SECONDS",
    )
)


def unknown_settings(config: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the names that look like settings of ours and aren't, with the nearest that is."""
    return {
        key: _nearest(key)
        for key in config
        if isinstance(key, str) and key.startswith(_LOOKS_LIKE_OURS) and key not in _NAMES
    }


def _nearest(key: str) -> str | None:
    """Without what all of them have in common, which would make every name look near."""
    rest = key.removeprefix(_LOOKS_LIKE_OURS).removeprefix("S").removeprefix("_")
    ours = [name.removeprefix(_PREFIX) for name in _NAMES]
    return next((_PREFIX + found for found in difflib.get_close_matches(rest, ours, n=1)), None)


def _check_names(names: Mapping[str, Any]) -> None:
    for key, near in unknown_settings(names).items():
        hint = f"; did you mean {near}?" if near else ""
        log.warning(
            "setting_unknown",
            "%s is not a setting of this version and is ignored%s",
            key,
            hint,
        )


def _read_secret_key(
    source: SettingSource, problems: dict[str, str]
) -> tuple[Secret | None, bool | None]:
    usable: dict[str, str] = {}
    found: list[str] = []
    for key in (SECRET_KEY, API_KEY):
        name, values, unreadable = source.secrets(key)
        trouble = unreadable
        if len(values) > 1:
            trouble = "holds more than one key"
        elif values:
            trouble = fault_of_secret_key(values[0])
        if trouble is not None:
            found.append(trouble if name == SECRET_KEY else f"isn't set, and {name} {trouble}")
        elif values:
            usable[name] = values[0]
    if len(set(usable.values())) > 1:
        raise ConfigurationError(
            f"{SECRET_KEY} and {API_KEY} hold different keys; set only {SECRET_KEY}"
        )
    if not usable:
        problems[SECRET_KEY] = found[0] if found else "isn't set"
        return None, None
    value = next(iter(usable.values()))
    return Secret(value), livemode_of(value)


def _check_publishable_key(source: SettingSource, livemode: bool | None) -> None:
    _, values, _ = source.secrets(PUBLISHABLE_KEY)
    if livemode is None or not values or not is_publishable_key(values[0]):
        return
    if livemode_of(values[0]) != livemode:
        raise ConfigurationError(
            f"{SECRET_KEY} and {PUBLISHABLE_KEY} are of different modes: "
            f"one is a test key and the other a live key"
        )


def publishable_key_trouble(
    config: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> str | None:
    """Say what is wrong with the publishable key, None if nothing is or there is none."""
    _, values, unreadable = SettingSource(config, environ).secrets(PUBLISHABLE_KEY)
    return fault_of_publishable_key(values[0]) if values else unreadable


def _read_webhook_secrets(source: SettingSource, problems: dict[str, str]) -> tuple[Secret, ...]:
    name, values, unreadable = source.secrets(WEBHOOK_SECRET, WEBHOOK_SECRET_FALLBACK)
    usable = usable_signing_secrets(values)
    if len(usable) < len(set(values)) or not usable:
        problem = unreadable or (
            "holds a value that is a placeholder or no signing secret "
            "(whsec_ and at least 24 more characters)"
            if values
            else "isn't set"
        )
        problems[name] = problem
        if not usable and name != WEBHOOK_SECRET:
            problems[WEBHOOK_SECRET] = f"isn't set, and {name} {problem}"
    return usable


def usable_webhook_secrets(text: str) -> tuple[Secret, ...]:
    """Return the webhook secrets that the setting would give us if it held ``text``."""
    return usable_signing_secrets(split_values(WEBHOOK_SECRET, text))


def _required(source: SettingSource, key: str, default: int, low: int, high: int) -> int:
    value = source.integer(key, default, low, high)
    return default if value is None else value


def _metrics_token(source: SettingSource) -> Secret | None:
    key, values, unreadable = source.secrets("STRIPE_CREDITS_METRICS_TOKEN")
    if unreadable:
        raise ConfigurationError(f"{key} {unreadable}")
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(r"[\x21-\x7e]{16,200}", values[0]):
        raise ConfigurationError(
            f"{key} must be one text of 16 to 200 printable ASCII characters without spaces"
        )
    if is_placeholder(values[0]):
        raise ConfigurationError(f"{key} is a placeholder")
    return Secret(values[0])


def _url_prefix(source: SettingSource) -> str:
    key = "STRIPE_CREDITS_URL_PREFIX"
    value = source.text(key)
    if value is None:
        return "/api/v1/billing/credits"
    if not _URL_PREFIX.match(value):
        raise ConfigurationError(
            f"{key} must start with a slash, end without one and hold plain path segments, "
            f"like /api/v1/billing/credits, not {value!r}"
        )
    return value


def _pages(source: SettingSource, url_prefix: str) -> str | None:
    key = "STRIPE_CREDITS_PAGES"
    if source.raw(key) is False:
        return None
    value = source.text(key)
    if value is None:
        return None
    if not _URL_PREFIX.match(value):
        raise ConfigurationError(
            f"{key} must start with a slash, end without one and hold plain path segments, "
            f"like /credits, not {value!r}"
        )
    if f"{value}/".startswith(f"{url_prefix}/") or f"{url_prefix}/".startswith(f"{value}/"):
        raise ConfigurationError(
            f"{key} ({value}) and STRIPE_CREDITS_URL_PREFIX ({url_prefix}) must be apart: "
            "neither may lie inside the other"
        )
    return value


def _return_page(pages: str | None, returned: str) -> str | None:
    """Our own page for a purchase, told on which way the buyer leaves Stripe's."""
    return None if pages is None else f"{pages}/purchases/{{PURCHASE_ID}}?returned={returned}"


def _is_bare(url: str) -> bool:
    return urlsplit(url).path in ("", "/") and "?" not in url and "#" not in url


def _base_url(source: SettingSource) -> str | None:
    key = "STRIPE_CREDITS_BASE_URL"
    value = source.text(key)
    if value is None:
        return None
    if origin_of(value) is None or "?" in value or "#" in value:
        raise ConfigurationError(
            f"{key} must be the public https address of your app (http only on loopback), "
            f"without query or fragment, not {value!r}"
        )
    return value.rstrip("/")


def _origins(source: SettingSource, base_url: str | None) -> tuple[str, ...]:
    key = "STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS"
    values = source.texts(key)
    if not values:
        return tuple(origin for origin in [origin_of(base_url or "")] if origin)
    origins = []
    for value in values:
        origin = origin_of(value)
        if origin is None or not _is_bare(value):
            raise ConfigurationError(
                f"{key} must hold origins like https://app.example.com "
                f"(http only on loopback), not {value!r}"
            )
        origins.append(origin)
    return tuple(origins)


def _site(source: SettingSource, base_url: str | None) -> str:
    key = "STRIPE_CREDITS_SITE"
    value = source.text(key) or (base_url and urlsplit(base_url).netloc.lower()) or "local"
    # Stripe's lookup keys of 200 characters also hold a package code.
    if not re.fullmatch(r"[\x21-\x7e]{1,100}", value):
        raise ConfigurationError(f"{key} must be 1 to 100 printable ASCII characters")
    return value


def _api_base(source: SettingSource) -> str | None:
    key = "STRIPE_CREDITS_API_BASE"
    value = source.text(key)
    if value is None:
        return None
    origin = origin_of(value)
    if origin is None or not _is_bare(value):
        raise ConfigurationError(
            f"{key} must be an https address, or http on loopback for the sandbox, not {value!r}"
        )
    return origin

"""What a key of Stripe's looks like, and a secret that nothing shows by accident."""

from __future__ import annotations

import re

_API_KEY = re.compile(r"(sk|rk|pk)_(test|live)_[\x21-\x7e]+\Z")
_SIGNING_SECRET = re.compile(r"whsec_[\x21-\x7e]{24,}\Z")
_PLACEHOLDERS = (
    *("placeholder", "example", "changeme", "change-me", "change_me", "your-", "your_"),
    *("xxxxxxxx", "12345678", "abcdefgh", "...", "…", "<", ">", "*"),
)
_HERE = re.compile(r"[-_]here\b")


class Secret:
    """A key that neither ``repr`` nor ``str`` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself; call it only where it is used."""
        return self._value

    @property
    def last4(self) -> str:
        """The last four characters, for telling keys apart."""
        return self._value[-4:]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret('…{self.last4}')"


def fault_of_secret_key(value: str) -> str | None:
    """Say what is wrong with a secret or restricted API key, None if nothing is."""
    if not _API_KEY.match(value) or value.startswith("pk_"):
        return "isn't a secret API key of Stripe (sk_test_…, sk_live_…, rk_test_… or rk_live_…)"
    return _fault_of_placeholder(value)


def fault_of_publishable_key(value: str) -> str | None:
    """Say what is wrong with a publishable API key, None if nothing is."""
    if value.startswith(("sk_", "rk_")):
        return "holds a secret key, which pages would show to everybody"
    if not is_publishable_key(value):
        return "isn't a publishable key of Stripe (pk_test_… or pk_live_…)"
    return _fault_of_placeholder(value)


def is_publishable_key(value: str) -> bool:
    """Whether it looks like a publishable API key, be it a placeholder."""
    return value.startswith("pk_") and _API_KEY.match(value) is not None


def _fault_of_placeholder(api_key: str) -> str | None:
    return "is a placeholder" if is_placeholder(api_key.split("_", 2)[2]) else None


def livemode_of(api_key: str) -> bool:
    """Whether a key is for live money, as its second word says."""
    return api_key.split("_")[1] == "live"


def is_placeholder(value: str) -> bool:
    """Whether this is what tutorials and templates have where a secret belongs."""
    text = value.lower()
    return (
        text in ("test", "secret")
        or set(text) == {"x"}
        or any(placeholder in text for placeholder in _PLACEHOLDERS)
        or _HERE.search(text) is not None
    )


def usable_signing_secrets(values: tuple[str, ...]) -> tuple[Secret, ...]:
    """Return what can be a webhook signing secret, each once."""
    return tuple(Secret(value) for value in dict.fromkeys(values) if _is_signing_secret(value))


def _is_signing_secret(value: str) -> bool:
    tail = value.removeprefix("whsec_")
    return (
        _SIGNING_SECRET.match(value) is not None
        and not is_placeholder(tail)
        and len(set(tail.lower())) > 4
    )

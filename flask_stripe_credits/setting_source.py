"""Where settings are looked up: ``app.config`` first, then the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from .errors import ConfigurationError
from .logs import Log

log: Log = Log(__name__)

Choice = TypeVar("Choice", bound=StrEnum)

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


class SettingSource:
    """Looks a setting up: ``app.config`` before the environment, each also as ``NAME_FILE``."""

    def __init__(self, config: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.layers: tuple[Mapping[str, Any], ...] = (config, environ)

    def raw(self, key: str) -> Any:
        for layer in self.layers:
            if layer.get(key) is not None:
                return layer[key]
        return None

    def text(self, key: str) -> str | None:
        value = self.raw(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise ConfigurationError(f"{key} must be text, not {type(value).__name__}")
        return value.strip() or None

    def boolean(self, key: str, *, default: bool = False) -> bool:
        value = self.raw(key)
        if value is None or (value == "" and default):
            return default
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise ConfigurationError(f"{key} must be true or false, not {value!r}")

    def integer(self, key: str, default: int | None, low: int, high: int) -> int | None:
        value = self.raw(key)
        if value is None or value == "":
            return default
        if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ConfigurationError(
                f"{key} must be a whole number from {low:,} to {high:,}, not {value!r}"
            )
        return value

    def choice(self, key: str, kind: type[Choice], default: Choice) -> Choice:
        value = self.text(key) or default
        if value not in list(kind):
            allowed = " or ".join(repr(one.value) for one in kind)
            raise ConfigurationError(f"{key} must be {allowed}, not {value!r}")
        return kind(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """One or several values: a list, or text separated by commas or white space."""
        return split_values(key, self.raw(key))

    def secrets(self, *keys: str) -> tuple[str, tuple[str, ...], str | None]:
        """The first of ``keys`` that isn't blank in the first layer that sets one.

        Returns its name, its values and what kept them from being read.
        """
        for layer in self.layers:
            found = {key: read for key in keys if (read := _secret_in(layer, key)) is not None}
            for key, read in found.items():
                if any(read):
                    return key, *read
            if found:
                break
        return keys[0], (), None


def _secret_in(layer: Mapping[str, Any], key: str) -> tuple[tuple[str, ...], str | None] | None:
    value, file = layer.get(key), layer.get(f"{key}_FILE")
    if value and file:
        raise ConfigurationError(f"set {key} or {key}_FILE, not both")
    if file:
        if not isinstance(file, (str, os.PathLike)):
            raise ConfigurationError(f"{key}_FILE must be a path, not {type(file).__name__}")
        try:
            value = Path(file).read_text(encoding="utf-8-sig").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
            return (), f"can't be read from the file that {key}_FILE names: {reason}"
    if value is None:
        return None
    return split_values(key, value), None


def split_values(key: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        if value != value.strip():
            log.warning("setting_stripped", "%s has white space around it, which is ignored", key)
        return tuple(part for part in re.split(r"[\s,]+", value) if part)
    if isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(part, str) for part in value
    ):
        return tuple(stripped for part in value if (stripped := part.strip()))
    raise ConfigurationError(f"{key} must be text or a list of texts")

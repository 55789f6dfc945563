"""The pages' words in the reader's language, where the host has Flask-Babel; else in English."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from flask import current_app

DOMAIN = "flask_stripe_credits"
TRANSLATIONS = Path(__file__).with_name("translations")


def text(message: str, **variables: Any) -> str:
    """Translate ``message`` and put ``variables`` in, written ``%(name)s``."""
    domain = _domain()
    translated = message if domain is None else domain.get_translations().ugettext(message)
    return translated % variables if variables else translated


def plural(one: str, many: str, number: int, **variables: Any) -> str:
    """As :func:`text`, for ``number`` of something."""
    domain = _domain()
    if domain is None:
        chosen = one if number == 1 else many
    else:
        chosen = domain.get_translations().ungettext(one, many, number)
    return str(chosen % variables) if variables else str(chosen)


def language() -> str:
    """The language of the pages, for ``<html lang>``."""
    return str(locale()).replace("_", "-") if has_babel() else "en"


def locale() -> Any:
    """Babel's locale for this request; None without Flask-Babel."""
    if not has_babel():
        return None
    from flask_babel import get_locale

    return get_locale()


def has_babel() -> bool:
    """Whether the host has Flask-Babel."""
    return "babel" in current_app.extensions


def _domain() -> Any:
    return _own_domain() if has_babel() else None


@functools.cache
def _own_domain() -> Any:
    from flask_babel import Domain

    return Domain(translation_directories=[str(TRANSLATIONS)], domain=DOMAIN)

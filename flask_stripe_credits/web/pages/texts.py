"""The pages' words in the reader's language, where the host has Flask-Babel; else in English.

Catalogues are ``LC_MESSAGES/flask_stripe_credits.mo``: the host's, in its own translation folders,
go before ours. A language that nobody has a catalogue for is answered in English altogether,
numbers and dates too.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from flask import current_app

DOMAIN = "flask_stripe_credits"
TRANSLATIONS = Path(__file__).with_name("translations")
_SOURCE_LANGUAGE = "en"


def text(message: str, **variables: Any) -> str:
    """Translate ``message`` and put ``variables`` in, written ``%(name)s``."""
    catalogue = _catalogue()
    translated = message if catalogue is None else str(catalogue.gettext(message))
    return translated % variables if variables else translated


def plural(one: str, many: str, number: int, **variables: Any) -> str:
    """As :func:`text`, for ``number`` of something."""
    catalogue = _catalogue()
    if catalogue is None:
        chosen = one if number == 1 else many
    else:
        chosen = str(catalogue.ngettext(one, many, number))
    return chosen % variables if variables else chosen


def language() -> str:
    """The language of the pages, for ``<html lang>``."""
    found = locale()
    return _SOURCE_LANGUAGE if found is None else str(found).replace("_", "-")


def locale() -> Any:
    """Babel's locale of what we write in this request; None without Flask-Babel."""
    if not has_babel():
        return None
    from babel import Locale
    from flask_babel import get_locale

    wanted = get_locale()
    known = wanted is not None and (wanted.language == _SOURCE_LANGUAGE or _catalogue() is not None)
    return wanted if known else Locale(_SOURCE_LANGUAGE)


def has_babel() -> bool:
    """Whether the host has Flask-Babel, and not an older library of that name."""
    return hasattr(current_app.extensions.get("babel"), "translation_directories")


def _catalogue() -> Any:
    if not has_babel():
        return None
    from flask_babel import get_babel, get_locale

    wanted = get_locale()
    folders = tuple(get_babel().translation_directories)
    return None if wanted is None else _load(str(wanted), folders)


@functools.lru_cache(maxsize=64)
def _load(wanted: str, folders: tuple[str, ...]) -> Any:
    """The catalogue of a locale, those of ``folders`` before ours; None where there is none."""
    from babel.support import NullTranslations, Translations

    found: Any = None
    for folder in (str(TRANSLATIONS), *folders):
        catalogue = Translations.load(folder, [wanted], DOMAIN)
        if type(catalogue) is NullTranslations:
            continue
        if found is not None:
            catalogue.add_fallback(found)
        found = catalogue
    return found

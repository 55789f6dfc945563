"""Log lines that nobody can forge, each with what it is about as attributes of its record.

``event, purchase_id, user_id, stripe_request_id`` are on every record of ours, None where there is
none. Nothing here touches a host's handlers: what becomes of a record is up to the host.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask.logging import wsgi_errors_stream

FIELDS = ("event", "purchase_id", "user_id", "stripe_request_id")
LONGEST_VALUE = 500

_PACKAGE = __name__.rpartition(".")[0]
_PLAIN = re.compile(r"[\w.@+:|=/-]+\Z", re.ASCII)


def one_line(value: object) -> str:
    """Return ``value`` as printable text, so that it can neither end a line nor colour it."""
    text = str(value)
    if len(text) > LONGEST_VALUE:
        text = text[: LONGEST_VALUE - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quoted(value: object) -> str:
    """Return a host's own text as it may stand inside a sentence: quoted unless it is plain."""
    text = str(value)
    return text if _PLAIN.match(text) else repr(text)


class Log:
    """The log of one module. Every line names its event, which ``reference/logs`` lists.

    Arguments are put in like those of :mod:`logging`, on one line each, whoever they come from; so
    are the lines of a traceback, which are also indented.
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, message: str, *args: object, **about: Any) -> None:
        self._write(logging.INFO, event, message, args, **about)

    def warning(self, event: str, message: str, *args: object, **about: Any) -> None:
        self._write(logging.WARNING, event, message, args, **about)

    def error(self, event: str, message: str, *args: object, **about: Any) -> None:
        self._write(logging.ERROR, event, message, args, **about)

    def exception(self, event: str, message: str, *args: object, **about: Any) -> None:
        """As :meth:`error`, with the traceback of what is being handled."""
        self._write(logging.ERROR, event, message, args, error=sys.exc_info()[1], **about)

    def critical(self, event: str, message: str, *args: object, **about: Any) -> None:
        self._write(logging.CRITICAL, event, message, args, **about)

    def _write(
        self,
        level: int,
        event: str,
        message: str,
        args: tuple[object, ...],
        *,
        error: BaseException | None = None,
        purchase_id: object = None,
        user_id: object = None,
        stripe_request_id: object = None,
    ) -> None:
        """Log one record.

        :param error: whose traceback belongs to it.
        """
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        about = (event, purchase_id, user_id, stripe_request_id)
        file, line, function, _ = logger.findCaller(stacklevel=3)
        record = logger.makeRecord(
            logger.name,
            level,
            file,
            line,
            message,
            tuple(arg if isinstance(arg, (int, float)) else one_line(arg) for arg in args),
            None if error is None else (type(error), error, error.__traceback__),
            function,
            {
                name: None if value is None else one_line(value)
                for name, value in zip(FIELDS, about, strict=True)
            },
        )
        if error is not None:
            # What a formatter would make of it itself could begin lines of anybody's choice.
            record.exc_text = _indented(error)
        logger.handle(record)


@contextlib.contextmanager
def all_quiet_but(module: str) -> Iterator[None]:
    """Keep our lines out of the log, except the errors of one of our modules, such as ``doctor``.

    For the whole process; only a command may do that.
    """
    loud, ours = logging.getLogger(f"{_PACKAGE}.{module}"), logging.getLogger(_PACKAGE)
    before = loud.level, ours.level
    loud.setLevel(logging.ERROR)
    ours.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        loud.setLevel(before[0])
        ours.setLevel(before[1])


@contextlib.contextmanager
def warnings_if_heard(module: str) -> Iterator[None]:
    """Keep a module's warnings off the terminal, where they go while nobody handles records.

    For a command, which says in its answer what they warn of. The host's log gets them as ever.
    """
    logger = logging.getLogger(f"{_PACKAGE}.{module}")

    # Asked for each record: the command begins before the host's app, and its logging, is there.
    def is_heard(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING or logger.hasHandlers()

    logger.addFilter(is_heard)
    try:
        yield
    finally:
        logger.removeFilter(is_heard)


def _indented(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(f"  | {one_line(line)}" for line in lines)


class JsonLines(logging.Formatter):
    """Formats each record as one line of JSON: for ``logging.config.dictConfig``, or a setting.

    ``time`` (UTC), ``level, logger, message``, those of :data:`FIELDS` that there are, and
    ``exception``. Works for records of any logger.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = str(value)
        if record.exc_info:
            line["exception"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(line)


def write_json_lines() -> None:
    """Have the records of this package, from INFO up, written to stderr as lines of JSON.

    For ``STRIPE_CREDITS_LOG_FORMAT``. Only our own logger is touched, once in a process; its
    records no longer go to the host's handlers, where they would be written again.
    """
    logger = logging.getLogger(_PACKAGE)
    if any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        return
    # Where a request's server wants its errors, else stderr as it is at that moment.
    stream: Any = wsgi_errors_stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)

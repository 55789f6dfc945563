"""The file of settings (``NAME=value`` lines) that a webhook secret is written into."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from ...config import WEBHOOK_SECRET, usable_webhook_secrets
from ...credentials import Secret
from ...env_files import assignment, sourcing

_OURS = assignment(WEBHOOK_SECRET)
_AS_FILE = re.compile(rf"\s*(?:export\s+)?{WEBHOOK_SECRET}_FILE\s*=\s*[^\s#]")
_PLAIN = re.compile(r"[A-Za-z0-9_,+/=.-]*\Z")
_OWNER_ONLY = 0o600


class EnvFile:
    """A file that may be missing. Every other line of it is kept byte for byte.

    :raises click.ClickException: when it can't be read or replaced, so that this is known before
        anything is asked of Stripe.
    """

    def __init__(self, path: Path) -> None:
        # Behind a symbolic link the file itself is replaced, not the link.
        self.path: Path = Path(os.path.realpath(path))
        self._shown = path
        self._lines = self._read()
        if any(_AS_FILE.match(line) for line in self._lines):
            raise click.ClickException(
                f"{path} sets {WEBHOOK_SECRET}_FILE, and only one of both may be set: write the "
                "secret into the file that it names (leave --write-env out; it goes to stdout)"
            )

    @property
    def how_to_start_with_it(self) -> str:
        """How an app comes to have what is in it; empty where Flask reads it by itself."""
        if self.path.name == ".env" and find_spec("dotenv") is not None:
            return ""
        return (
            f" with what is in {self._shown}, in a shell with `{sourcing(self._shown)}` "
            "(Flask reads a .env by itself where python-dotenv is installed)"
        )

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The usable secrets that it sets; a placeholder is none."""
        found = [match["value"] for line in self._lines if (match := _OURS.match(line))]
        return usable_webhook_secrets(_unquoted(found[-1])) if found else ()

    def write(self, secrets: Sequence[Secret]) -> None:
        """Set the secrets, in this order. Replaces the file as a whole; only its owner may read it.

        Safe to repeat: a crash leaves the old file or the new one.
        """
        values = ",".join(dict.fromkeys(secret.reveal() for secret in secrets))
        value = values if _PLAIN.match(values) else f"'{values}'"
        lines = list(self._lines)
        places = [place for place, line in enumerate(lines) if _OURS.match(line)]
        if places:
            # The last one is the one that counts for whatever reads such files.
            old = lines[places[-1]]
            start, ending = old[: old.index(WEBHOOK_SECRET)], old[len(old.rstrip("\r\n")) :]
            lines[places[-1]] = f"{start}{WEBHOOK_SECRET}={value}{ending or os.linesep}"
        else:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += os.linesep
            lines.append(f"{WEBHOOK_SECRET}={value}{os.linesep}")
        self._replace("".join(lines))
        self._lines = lines

    def _read(self) -> list[str]:
        try:
            if not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise PermissionError(None, "its directory is missing or can't be written to")
            if not self.path.exists():
                return []
            if not self.path.is_file():
                raise OSError(None, "it isn't a file")
            with self.path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                return file.read().splitlines(keepends=True)
        except OSError as error:
            raise click.ClickException(f"can't use {self._shown}: {error.strerror}") from None

    def _replace(self, content: str) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(
                handle, "w", encoding="utf-8", errors="surrogateescape", newline=""
            ) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                self._keep_owner(file.fileno())
                os.fchmod(file.fileno(), _OWNER_ONLY)
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _keep_owner(self, handle: int) -> None:
        """Run by root, leave the file to the app's user."""
        with contextlib.suppress(OSError):
            before: os.stat_result = self.path.stat()
            os.fchown(handle, before.st_uid, before.st_gid)

    @property
    def is_open_to_others(self) -> bool:
        """Whether others than its owner may read it now; :meth:`write` ends that."""
        with contextlib.suppress(OSError):
            return bool(stat.S_IMODE(self.path.stat().st_mode) & 0o077)
        return False


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] in ("'", '"'):
        quoted, _, _ = value[1:].partition(value[0])
        return quoted
    return re.split(r"\s#", value, maxsplit=1)[0].strip()

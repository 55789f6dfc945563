"""Memory that the processes of a shop share: what each worker does, and when it has to die.

It outlives every process, so that it is known exactly where a killed one was.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

MOST_SLOTS = 16
_SLOT = 128
_NUMBER = struct.Struct("<q")
_NAME, _NAME_LENGTH = 40, 80


class Slot:
    """The part of one worker. It outlives the worker and goes over to the next one.

    :ivar pid: the worker's process.
    :ivar requests: how many requests it has begun.
    :ivar inside: whether it is in one now.
    :ivar fuse: signal yourself at the step of this number, counted from now; 0 for never.
    :ivar weapon: the signal to do it with.
    """

    def __init__(self, memory: mmap.mmap, number: int) -> None:
        self._memory = memory
        self._start = number * _SLOT

    def _get(self, field: int) -> int:
        value: int = _NUMBER.unpack_from(self._memory, self._start + 8 * field)[0]
        return value

    def _set(self, field: int, value: int) -> None:
        _NUMBER.pack_into(self._memory, self._start + 8 * field, value)

    pid = property(lambda self: self._get(0), lambda self, value: self._set(0, value))
    requests = property(lambda self: self._get(1), lambda self, value: self._set(1, value))
    inside = property(lambda self: bool(self._get(2)), lambda self, value: self._set(2, int(value)))
    fuse = property(lambda self: self._get(3), lambda self, value: self._set(3, value))

    weapon = property(lambda self: self._get(4), lambda self, value: self._set(4, value))

    @property
    def step(self) -> str:
        """The last step of the request that was reached."""
        start = self._start + _NAME
        return self._memory[start : start + _NAME_LENGTH].rstrip(b"\0").decode()

    @step.setter
    def step(self, name: str) -> None:
        start = self._start + _NAME
        written = name.encode()[:_NAME_LENGTH].ljust(_NAME_LENGTH, b"\0")
        self._memory[start : start + _NAME_LENGTH] = written


class Board:
    """All slots, in a file that is mapped into every process."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SLOT * MOST_SLOTS))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def slot(self, number: int) -> Slot:
        return Slot(self._memory, number)

    def close(self) -> None:
        self._memory.close()

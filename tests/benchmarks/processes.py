"""What processes have taken of the machine: CPU seconds, and who is whose child."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system seconds so far of those of these processes that haven't ended."""
    return sum(cpu_clocks(pids).values())


def cpu_clocks(pids: Iterable[int]) -> dict[int, float]:
    """The CPU seconds so far of each that hasn't ended, all of its threads together."""
    found = {}
    for pid in pids:
        # PostgreSQL's own workers, such as autovacuum's, come and go.
        with contextlib.suppress(OSError):
            # As clock_getcpuclockid(3) names another process's: exact, where /proc has hundredths.
            found[pid] = time.clock_gettime(~pid << 3 | 2)
    return found


def cpu_seconds_since(before: Mapping[int, float]) -> float:
    """What the processes of :func:`cpu_clocks` have taken since, without those that have ended."""
    return sum(now - before[pid] for pid, now in cpu_clocks(before).items())


def children(pid: int) -> Sequence[int]:
    """The processes whose parent this one is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything; behind it are the state and the parent.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


def cpu_seconds_of_the_gone(pid: int) -> float:
    """What children of this process had taken that have ended, to a hundredth of a second."""
    # utime, stime, cutime and cstime are the 14th to the 17th; the state is the third.
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

"""``flask credits sync --apply`` in processes of their own, which may kill themselves at a step.

``python -m tests.catalog_sync.runner '<json>'``. Each line of standard input holds numbers, one for
each process that is to run at the same time: at which step it dies, 0 for none. The answer is a
line of JSON: of each its exit code and the steps that it reached.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import stripe
from sqlalchemy.engine.default import DefaultDialect

from flask_stripe_credits.gateway import connection

from ..hosts import Host, make_host


class Steps:
    """Everything that is made or changed at Stripe, and every commit, before and after."""

    def __init__(self, trace: int, fuse: int) -> None:
        self.trace, self.fuse = trace, fuse

    def reached(self, name: str) -> None:
        os.write(self.trace, f"{name}\n".encode())
        self.fuse -= 1
        if self.fuse == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def patch(self) -> None:
        for owner, name, step in (
            (connection.Connection, "_made", "Stripe"),
            (DefaultDialect, "do_commit", "COMMIT"),
        ):
            self._around(owner, name, step)

    def _around(self, owner: Any, name: str, step: str) -> None:
        original = getattr(owner, name)

        def patched(*arguments: Any, **options: Any) -> Any:
            self.reached(f"before {step}")
            result = original(*arguments, **options)
            self.reached(f"after {step}")
            return result

        setattr(owner, name, patched)


def warm_up(host: Host) -> None:
    """Import and compile what every process would; no connection may outlive the fork."""
    result = host.app.test_cli_runner().invoke(args=["credits", "sync", "--plan"])
    assert "Stripe in test mode" in result.output, result.output
    with host.app.app_context():
        host.db.engine.dispose()


def run(host: Host, gate: int, trace: int, fuse: int) -> NoReturn:
    """Wait until everybody is there, sync, and end."""
    os.read(gate, 1)
    Steps(trace, fuse).patch()
    result = host.app.test_cli_runner().invoke(args=["credits", "sync", "--apply", "--by", "x"])
    if result.exit_code:
        os.write(2, result.output.encode())
    os._exit(result.exit_code)


def run_at_once(host: Host, folder: Path, fuses: list[int]) -> list[dict[str, Any]]:
    ready, start = os.pipe()
    children = []
    for number, fuse in enumerate(fuses):
        path = folder / f"trace{number}"
        trace = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        pid = os.fork()
        if pid == 0:
            run(host, ready, trace, fuse)
        os.close(trace)
        children.append((pid, path))
    os.write(start, b"!" * len(fuses))
    ended = [(os.waitpid(pid, 0)[1], path) for pid, path in children]
    os.close(ready)
    os.close(start)
    return [
        {"code": os.waitstatus_to_exitcode(status), "steps": path.read_text().split("\n")[:-1]}
        for status, path in ended
    ]


def main() -> None:
    config = json.loads(sys.argv[1])
    stripe.enable_telemetry = False
    host = make_host(config["database_url"], tables=False, **config["settings"])
    warm_up(host)
    print("ready", flush=True)
    for line in sys.stdin:
        fuses = [int(word) for word in line.split()]
        print(json.dumps(run_at_once(host, Path(config["folder"]), fuses)), flush=True)


if __name__ == "__main__":
    main()

"""Several processes that run the same requests at once: ``python -m tests.concurrency.worker``.

Reads its job as JSON from standard input, forks, has all processes begin at one moment, and prints
the statuses that each request got until it was taken.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from flask import request
from flask.testing import FlaskClient

from ..hosts import Host, make_host
from ..parallel import in_parallel

MOST_TRIES = 60


def _send(client: FlaskClient, wanted: dict[str, Any]) -> list[int]:
    """The statuses of the answers until one isn't 503."""
    statuses: list[int] = []
    while len(statuses) < MOST_TRIES:
        answer = client.post(
            wanted["path"],
            data=wanted["body"],
            headers=wanted["headers"],
            content_type="application/json",
        )
        statuses.append(answer.status_code)
        if answer.status_code != 503:
            break
        assert answer.headers["Retry-After"].isdigit()
    return statuses


def _run(host: Host, mine: list[dict[str, Any]]) -> list[list[int]]:
    client = host.app.test_client(use_cookies=False)
    return [_send(client, wanted) for wanted in mine]


def _fork(host: Host, threads: list[list[dict[str, Any]]], start: int) -> int:
    """Start one process that waits for a byte from ``start``; return where it writes to."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return reading
    os.read(start, 1)
    results = in_parallel([lambda mine=mine: _run(host, mine) for mine in threads])
    with open(writing, "w") as file:
        json.dump([statuses for each in results for statuses in each], file)
    os._exit(0)


def main() -> None:
    job = json.load(sys.stdin)
    host = make_host(job["database_url"], tables=False, **job["settings"])
    host.credits.user_id_loader(lambda: request.headers.get("X-User"))
    start, hold = os.pipe()
    outputs = [_fork(host, job["threads"], start) for _ in range(job["processes"])]
    os.write(hold, b"." * job["processes"])
    answers = []
    for output in outputs:
        with open(output) as file:
            answers += json.load(file)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()

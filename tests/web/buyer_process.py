"""A worker process of a shop: buys what it is told to on its standard input, all at once.

``python -m tests.web.buyer_process DATABASE_URL SETTINGS``; every line is a JSON list of
idempotency keys, answered by a line with status, Retry-After and session of each.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

from ..hosts import PREFIX, Host, make_host
from ..parallel import in_parallel


def buy(host: Host, key: str) -> dict[str, Any]:
    answer = host.client.post(
        f"{PREFIX}/purchase", json={"package_code": "starter"}, headers={"Idempotency-Key": key}
    )
    return {
        "status": answer.status_code,
        "retry_after": answer.headers.get("Retry-After"),
        "session": (answer.json or {}).get("session_id"),
    }


def main() -> None:
    host = make_host(sys.argv[1], tables=False, **json.loads(sys.argv[2]))
    print("ready", flush=True)
    for line in sys.stdin:
        answers = in_parallel([partial(buy, host, key) for key in json.loads(line)])
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()

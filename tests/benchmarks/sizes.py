"""How much is measured: enough for a figure, or just enough to see that a benchmark works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Numbers of repetitions.

    :ivar rounds, batch: of contestants in one process, and requests in each round.
    :ivar runs, requests: of servers, each with processes of its own; and requests in each run.
    :ivar samples: deliveries whose CPU time is told apart by package.
    :ivar starts: of fresh processes.
    :ivar purchases, of_one_user: in the tables that pages and figures are read from.
    :ivar tries: of a figure.
    :ivar few, many: purchases that are reconciled.
    :ivar grants: that each run of an outbox's workers delivers.
    """

    rounds: int = 15
    batch: int = 60
    runs: int = 3
    requests: int = 1_200
    samples: int = 2_000
    starts: int = 15
    purchases: int = 1_000_000
    of_one_user: int = 100_000
    tries: int = 5
    few: int = 10_000
    many: int = 100_000
    grants: int = 200


SMALL = Size(
    rounds=1,
    batch=4,
    runs=1,
    requests=24,
    samples=40,
    starts=1,
    purchases=2_000,
    of_one_user=200,
    tries=1,
    few=200,
    many=400,
    grants=20,
)

"""What a host's start gains in CPU time: the import and ``init_app``, in processes of their own."""

from __future__ import annotations

import compileall
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import flask_stripe_credits

Steps = Mapping[str, float]

# Of everybody who starts, each with what is switched on.
KINDS = {
    "as it comes": (),
    "without metrics": ("METRICS=false",),
    "with pages": ("PAGES=/credits",),
    "with pages and mail": ("PAGES=/credits", "MAIL=true"),
}


def cold_starts(count: int) -> Mapping[str, Steps]:
    """The median seconds of CPU for each step, of ``count`` fresh processes of each kind, in turns.

    As a host is installed: compiled.
    """
    compileall.compile_dir(str(Path(flask_stripe_credits.__file__).parent), quiet=1)
    found: dict[str, list[Steps]] = {kind: [] for kind in KINDS}
    for _ in range(count):
        for kind, settings in KINDS.items():
            found[kind].append(_cold_start(settings))
    return {kind: _medians(starts) for kind, starts in found.items()}


def _cold_start(settings: Sequence[str]) -> Steps:
    program = [sys.executable, "-m", "tests.benchmarks.fresh_process", *settings]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)
    steps: Steps = json.loads(ended.stdout)
    return steps


def _medians(starts: Sequence[Steps]) -> Steps:
    return {step: statistics.median(start[step] for start in starts) for step in starts[0]}

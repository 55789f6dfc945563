"""Ask the Open Source Vulnerabilities database about every locked package: ``make audit``.

A known hole ends with 1. If the database can't be reached, that is said, and ends with 1 only with
``--strict``: a build isn't broken by somebody else's server, but the scheduled audit is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / ".ci" / "requirements.lock"
OSV = "https://api.osv.dev/v1/query"


@dataclass(frozen=True)
class Report:
    """What became known.

    :ivar audited: how many packages were asked about.
    :ivar holes: one line each.
    :ivar unknown: why nothing, or not everything, is known; None if all is.
    """

    audited: int
    holes: tuple[str, ...]
    unknown: str | None


def audit(lock: Path, osv_url: str) -> Report:
    """Ask about each package that ``lock`` holds for this Python and system."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--vulnerability-service", "osv", "--osv-url", osv_url, "--format", "json"]
    command += ["--progress-spinner", "off", "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return Report(0, (), (done.stderr.strip() or "no answer").splitlines()[-1])
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, "
        f"mended in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for one in packages
        for hole in one.get("vulns", ())
    ]
    skipped = [one["skip_reason"] for one in packages if "skip_reason" in one]
    return Report(len(packages) - len(skipped), tuple(holes), "; ".join(skipped) or None)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail if not all could be audited")
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--osv-url", default=OSV)
    options = parser.parse_args(arguments)
    report = audit(options.lock, options.osv_url)
    for hole in report.holes:
        print(hole)
    if report.unknown is not None:
        print(f"NOT AUDITED: {report.unknown}", file=sys.stderr)
    print(f"{report.audited} packages audited; known holes: {len(report.holes)}")
    return int(bool(report.holes) or (options.strict and report.unknown is not None))


if __name__ == "__main__":
    sys.exit(main())

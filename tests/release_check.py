"""See that what is checked out can be released, and build it: ``make release-check``.

Says what is missing and ends with 1, or builds the wheel and the source archive twice, in two
folders and under two umasks, compares every byte and leaves them in ``dist/``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def version_of(root: Path) -> str:
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return version


def obstacles(root: Path, tag: str | None) -> Iterator[str]:
    """Yield what keeps the tree from being released, one line each."""
    version = version_of(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:rc\d+)?", version):
        yield f"pyproject.toml: {version} is no version to release"
    if tag is not None and tag != f"v{version}":
        yield f"the tag is {tag}, but pyproject.toml says {version}: it would have to be v{version}"
    unreleased, released = sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if re.search(r"^[-*] ", unreleased, re.MULTILINE):
        yield "CHANGELOG.md: something still stands under Unreleased"
    if re.match(rf"## {re.escape(version)} - \d{{4}}-\d\d-\d\d\n", released) is None:
        yield f"CHANGELOG.md: below Unreleased no heading `## {version} - YYYY-MM-DD` comes first"


def sections(changelog: str) -> tuple[str, str]:
    """Return what stands under *Unreleased*, and everything from the newest version on."""
    found = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)(.*)", changelog, re.M | re.S)
    return (found[1], found[2]) if found else ("", changelog[changelog.find("\n## ") + 1 :])


def build(source: Path, target: Path, *, epoch: int, umask: int, only: Sequence[str] = ()) -> None:
    """Build both archives of ``source`` into ``target``, or those that ``only`` names.

    Takes the build tools of this environment, which are locked: another version of one may write
    other bytes.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", *only, "--outdir", target, source]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    done = subprocess.run(
        command,
        env=environment,
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stdout)


def digests(folder: Path) -> dict[str, str]:
    """File name → SHA-256."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def check_out(root: Path, target: Path, *, umask: int) -> None:
    """Put the last commit of ``root`` into the folder ``target``."""
    target.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=root, check=True, capture_output=True)
    unpack = ["tar", "--extract", "--no-same-permissions", "--directory", target]
    subprocess.run(unpack, input=archive.stdout, umask=umask, check=True)


def build_twice(root: Path) -> dict[str, str]:
    """Build the last commit twice, and put the archives into ``dist/`` if they are the same.

    :raises SystemExit: they are not.
    """
    asked = ["git", "log", "-1", "--pretty=%ct"]
    told = subprocess.run(asked, cwd=root, check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as folder:
        built = []
        for name, umask in (("one", 0o022), ("the-other", 0o077)):
            source, target = Path(folder, name), Path(folder, f"dist-{name}")
            check_out(root, source, umask=umask)
            build(source, target, epoch=int(told.stdout), umask=umask)
            built.append(target)
        first, second = map(digests, built)
        if first != second:
            raise SystemExit(f"built twice, and not the same: {first} and {second}")
        shutil.rmtree(root / "dist", ignore_errors=True)
        shutil.copytree(built[0], root / "dist")
    return first


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.release_check", description=__doc__)
    parser.add_argument("--tag", help="the tag that is being released, such as v0.1.0")
    found = list(obstacles(root, parser.parse_args(arguments).tag))
    for obstacle in found:
        print(obstacle, file=sys.stderr)
    if found:
        return 1
    for name, digest in build_twice(root).items():
        print(f"{digest}  dist/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The lock file holds what ``pyproject.toml`` asks for, every file of it by its hash."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / ".ci" / "requirements.lock"
REMEDY = "run `make lock` and commit .ci/requirements.lock"


@dataclass(frozen=True)
class Pin:
    """One version of the lock file.

    :ivar asked_for: whether ``pyproject.toml`` names it, and not only another package.
    """

    requirement: Requirement
    hashes: tuple[str, ...]
    asked_for: bool

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (pinned,) = self.requirement.specifier
        assert pinned.operator == "==", self.requirement
        return pinned.version


def pins(text: str) -> Iterator[Pin]:
    for block in re.split(r"^(?=[a-z0-9])", text, flags=re.IGNORECASE | re.MULTILINE):
        if block and not block.startswith("#"):
            line, *rest = block.splitlines()
            hashes = [part.strip(" \\") for part in rest if part.strip().startswith("--hash")]
            asked_for = re.search(r"flask-stripe-credits \(", block) is not None
            yield Pin(Requirement(line.rstrip(" \\")), tuple(hashes), asked_for)


def asked_for() -> list[Requirement]:
    """Return what the package needs and what the group ``dev`` includes."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = pyproject["dependency-groups"]

    def group(name: str) -> Iterator[str]:
        for entry in groups[name]:
            if isinstance(entry, str):
                yield entry
            else:
                yield from group(entry["include-group"])

    return [Requirement(text) for text in (*pyproject["project"]["dependencies"], *group("dev"))]


@pytest.fixture(scope="module")
def locked() -> list[Pin]:
    return list(pins(LOCK.read_text()))


def test_G01_every_dependency_is_locked_to_a_version_that_pyproject_allows(
    locked: list[Pin],
) -> None:
    for wanted in asked_for():
        found = [pin for pin in locked if pin.name == canonicalize_name(wanted.name)]
        assert found, f"{wanted} isn't locked: {REMEDY}"
        for pin in found:
            assert pin.version in wanted.specifier, f"{pin.requirement} isn't {wanted}: {REMEDY}"


def test_nothing_is_locked_that_nobody_asks_for_any_more(locked: list[Pin]) -> None:
    wanted = {canonicalize_name(requirement.name) for requirement in asked_for()}
    assert {pin.name for pin in locked if pin.asked_for} == wanted, REMEDY


def test_every_group_is_in_dev_so_that_it_is_locked() -> None:
    pyproject: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    everything = [
        Requirement(entry)
        for entries in (
            *pyproject["dependency-groups"].values(),
            *pyproject["project"]["optional-dependencies"].values(),
        )
        for entry in entries
        if isinstance(entry, str)
    ]
    wanted = {requirement.name for requirement in asked_for()}
    assert {requirement.name for requirement in everything} <= wanted


def test_G03_every_file_is_locked_by_its_hash_and_none_by_an_address(locked: list[Pin]) -> None:
    assert len(locked) > 100
    for pin in locked:
        assert pin.hashes, pin.requirement
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in pin.hashes)
        assert pin.requirement.url is None
    assert "://" not in LOCK.read_text()
    assert not re.search(r"^\s*--(?!hash=)", LOCK.read_text(), re.MULTILINE)


def test_the_lock_holds_for_every_python_that_is_supported(locked: list[Pin]) -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [found for line in classifiers if (found := re.search(r":: (3\.\d+)$", line))]
    for wanted in asked_for():
        ours = [pin for pin in locked if pin.name == canonicalize_name(wanted.name)]
        for python in pythons:
            environment = {
                "python_version": python[1],
                "python_full_version": f"{python[1]}.9",
                "sys_platform": "linux",
            }
            applying = [
                pin
                for pin in ours
                if pin.requirement.marker is None or pin.requirement.marker.evaluate(environment)
            ]
            assert len(applying) == 1, f"{wanted} on {python[1]}: {REMEDY}"

"""What is installed along with the package may be used as freely as the package itself."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PERMISSIVE = re.compile(
    r"(MIT|BSD|[023]-Clause BSD|Apache|ISC|PSF|Python Software).*", re.IGNORECASE
)
# The certificates, which requests brings: the licence asks only those who change these files.
KNOWN = {"certifi": {"Mozilla Public License 2.0 (MPL 2.0)"}}


def everything_installed_with_us() -> dict[str, Distribution]:
    """Return what the package needs, and what that needs."""
    found: dict[str, Distribution] = {}
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    waiting = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if applies and name not in found:
            found[name] = distribution(name)
            waiting += found[name].requires or ()
    return found


def licences(told: Distribution) -> set[str]:
    """Return what a distribution says of its licence: as an expression, else in other ways."""
    metadata = told.metadata
    if metadata["License-Expression"]:
        return set(re.split(r" (?:AND|OR) ", metadata["License-Expression"].strip("()")))
    classifiers = metadata.get_all("Classifier") or []
    named = {line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")}
    return named - {"OSI Approved"} or {(metadata["License"] or "").splitlines()[0]}


@pytest.fixture(scope="module")
def installed() -> dict[str, Distribution]:
    return everything_installed_with_us()


def test_what_is_installed_with_us_may_be_used_as_freely_as_we_may(
    installed: dict[str, Distribution],
) -> None:
    assert {"flask", "stripe", "sqlalchemy", "werkzeug"} <= set(installed)
    strict = {
        name: licences(told)
        for name, told in installed.items()
        if not all(PERMISSIVE.fullmatch(one) for one in licences(told))
    }
    assert strict == KNOWN


@pytest.mark.parametrize(
    "licence",
    ["GNU General Public License v3 (GPLv3)", "LGPL-3.0-only", "AGPL-3.0", "Proprietary", ""],
)
def test_the_check_can_fail(licence: str) -> None:
    assert PERMISSIVE.fullmatch(licence) is None

"""Workflows, Makefile, ``pyproject.toml`` and hooks say the same, and ask for little."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.version_range import lowest_versions

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERIES = {"flask": ["3.0", "3.1"], "sqlalchemy": ["2.0", "2.1"]}

by_file = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def workflow(name: str) -> dict[str, Any]:
    return read(ROOT / ".github" / "workflows" / name)


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document["jobs"].values():
        yield from job.get("steps", ())


def targets(commands: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z-]+)", commands))


def cells() -> list[dict[str, str]]:
    found: list[dict[str, str]] = workflow("ci.yml")["jobs"]["range"]["strategy"]["matrix"][
        "include"
    ]
    return found


@by_file
def test_G03_every_action_is_pinned_to_a_commit_that_names_its_version(path: Path) -> None:
    lines = [line.strip(" -") for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        if not line.startswith("uses: $/"):
            assert re.fullmatch(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_is_pinned_to_one_commit_everywhere() -> None:
    used = {step["uses"] for path in WORKFLOWS for step in steps(read(path)) if "uses" in step}
    names = [use.partition("@")[0] for use in used]
    assert len(names) == len(set(names))


@by_file
def test_G03_no_job_may_do_more_than_read_and_only_the_publisher_has_an_identity(
    path: Path,
) -> None:
    document = read(path)
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        publishes = (path.name, name) == ("release.yml", "publish")
        allowed = {"id-token": "write"} if publishes else {"contents": "read"}
        assert job["permissions"] == allowed, name


@by_file
def test_G03_no_workflow_knows_a_secret_or_runs_a_strangers_code_with_our_rights(
    path: Path,
) -> None:
    text = path.read_text()
    assert "secrets" not in text
    assert "pull_request_target" not in text
    for step in steps(read(path)):
        # What a branch or tag is called must not become a part of a command.
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@by_file
def test_nothing_runs_for_ever_or_twice(path: Path) -> None:
    document = read(path)
    assert document["concurrency"]["group"]
    for name, job in document["jobs"].items():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 90, name


def test_G03_what_is_published_was_checked_and_built_by_jobs_without_an_identity() -> None:
    document = workflow("release.yml")
    jobs = document["jobs"]
    # YAML 1.1 reads the key `on` as true.
    assert document[True] == {"push": {"tags": ["v*"]}}
    assert jobs["check"]["uses"] == "$/.github/workflows/ci.yml"
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("check", "build")
    (built,) = [step for step in jobs["build"]["steps"] if "run" in step]
    assert built == {"run": "make release-check", "env": {"TAG": "${{ github.ref_name }}"}}
    download, publish = jobs["publish"]["steps"]
    assert download["uses"].startswith("actions/download-artifact@")
    assert publish["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert publish["with"] == {"attestations": True, "print-hash": True}
    assert jobs["publish"]["environment"]["name"] == "pypi"


def test_G02_the_audit_runs_every_day_and_fails_when_nobody_could_be_asked() -> None:
    document = workflow("audit.yml")
    (schedule,) = document[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])
    assert "make audit STRICT=1" in [step.get("run") for step in steps(document)]


def test_G01_new_versions_are_tried_every_week_though_nothing_changed_here() -> None:
    (schedule,) = workflow("ci.yml")[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", schedule["cron"])


def test_G01_the_matrix_has_every_python_that_is_promised() -> None:
    promised = re.findall(r":: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert list(dict.fromkeys(cell["python"] for cell in cells())) == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_G01_the_matrix_begins_at_the_lowest_series_and_stripe_at_its_lowest_version() -> None:
    lowest = lowest_versions()
    for name, series in SERIES.items():
        assert {cell[name] for cell in cells()} == set(series)
        assert lowest[name].split(".")[:2] == series[0].split(".")
    assert {cell["stripe"] for cell in cells()} == {"lowest", ""}
    assert {cell["database"] for cell in cells()} == {"sqlite", "postgresql"}


def test_G01_every_two_values_meet_in_a_cell_of_the_matrix() -> None:
    factors = {key: {cell[key] for cell in cells()} for key in cells()[0]}
    for one, other in itertools.combinations(factors, 2):
        met = {(cell[one], cell[other]) for cell in cells()}
        assert met == set(itertools.product(factors[one], factors[other])), (one, other)


def test_every_cell_is_what_make_test_range_takes() -> None:
    job = workflow("ci.yml")["jobs"]["range"]
    assert job["env"] == {
        key.upper(): f"${{{{ matrix.{key} }}}}" for key in cells()[0] if key != "python"
    }
    for name in job["env"]:
        assert re.search(rf"^{name} \?=$", MAKEFILE, re.MULTILINE), name
    assert job["steps"][-1] == {"run": "make test-range"}


def test_workflows_and_hooks_run_targets_that_the_makefile_has() -> None:
    has = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    run = "\n".join(step.get("run", "") for path in WORKFLOWS for step in steps(read(path)))
    hooks = read(ROOT / ".pre-commit-config.yaml")
    entries = "\n".join(hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"])
    assert targets(run) and targets(entries)
    assert targets(run) | targets(entries) <= has


def test_the_hooks_have_no_versions_of_their_own() -> None:
    for repo in read(ROOT / ".pre-commit-config.yaml")["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            assert hook["language"] == "system"
            assert "additional_dependencies" not in hook


def test_the_script_for_ci_elsewhere_runs_what_the_workflows_run() -> None:
    script = targets((ROOT / ".ci" / "run").read_text())
    run = "\n".join(step.get("run", "") for path in WORKFLOWS for step in steps(read(path)))
    assert targets(run) - {"test-range", "release-check"} == script

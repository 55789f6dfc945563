"""The pytest plugin of the wheel, in a stranger's environment and suite."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.test_testing_page import TESTS, run_suite, write_suite

from .conftest import made_once, run
from .test_wheel import modules_after

pytestmark = pytest.mark.packaging


@pytest.fixture(scope="session")
def suite_venv(run_directory: Path, built_wheel: Path) -> Path:
    """The Python of a virtual environment with the wheel, pytest and what the page's shop needs."""

    def install(folder: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        packages = [built_wheel, "pytest", "flask-login"]
        run(*pip, "--no-compile", "--disable-pip-version-check", *packages)

    return made_once(run_directory / "suite", install) / "venv" / "bin" / "python"


def test_a_strangers_suite_finds_the_plugin_by_itself(suite_venv: Path, tmp_path: Path) -> None:
    write_suite(tmp_path)
    told = run_suite(suite_venv, tmp_path)
    assert f"{TESTS} passed" in told, told


def test_a_suite_that_does_not_use_it_does_not_pay_for_it(suite_venv: Path, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_nothing_of_ours_is_there():\n"
        "    assert 'flask_stripe_credits.testing.fixtures' in sys.modules\n"
        "    heavy = {'flask', 'sqlalchemy', 'stripe', 'flask_stripe_credits.sandbox'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    told = run_suite(suite_venv, tmp_path)
    assert "1 passed" in told, told


def test_invariants_need_no_pytest(wheel_venv: Path, tmp_path: Path) -> None:
    what = "from flask_stripe_credits.testing import StripeSandbox, assert_invariants"
    assert "pytest" not in modules_after(wheel_venv, what, tmp_path)


def test_importing_testing_imports_next_to_nothing(wheel_venv: Path, tmp_path: Path) -> None:
    loaded = modules_after(wheel_venv, "import flask_stripe_credits.testing", tmp_path)
    assert not loaded & {"flask", "sqlalchemy", "stripe", "pytest", "flask_stripe_credits.sandbox"}

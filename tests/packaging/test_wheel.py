"""The wheel holds all it needs and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.packaging


def files_below(folder: Path) -> set[str]:
    return {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name != ".gitkeep"
    }


@pytest.fixture
def contents(built_wheel: Path) -> set[str]:
    with zipfile.ZipFile(built_wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_every_file_of_the_package_and_the_migrations(contents: set[str]) -> None:
    package = {
        f"flask_stripe_credits/{name}" for name in files_below(ROOT / "flask_stripe_credits")
    }
    migrations = {
        f"flask_stripe_credits/migrations/{name}" for name in files_below(ROOT / "migrations")
    }
    assert {name for name in contents if ".dist-info/" not in name} == package | migrations
    assert {
        "flask_stripe_credits/py.typed",
        "flask_stripe_credits/packages.toml",
        "flask_stripe_credits/monitoring/rules.yml",
        "flask_stripe_credits/monitoring/board.json",
        "flask_stripe_credits/migrations/env.py",
        "flask_stripe_credits/migrations/script.py.mako",
        "flask_stripe_credits/migrations/versions/0001_create_the_credit_tables.py",
    } <= contents
    assert any(PurePosixPath(name).suffix == ".html" for name in contents)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)


def modules_after(python: Path | str, statements: str, folder: Path) -> set[str]:
    code = f"{statements}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [python, "-W", "error", "-c", code],
        cwd=folder,
        env={},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return set(done.stdout.split())


def test_importing_the_installed_package_imports_neither_stripe_nor_alembic(
    wheel_venv: Path, tmp_path: Path
) -> None:
    loaded = modules_after(wheel_venv, "from flask_stripe_credits import StripeCredits", tmp_path)
    assert "flask_stripe_credits.extension" in loaded
    assert not loaded & {"stripe", "alembic", "flask_migrate"}


def test_initialising_an_app_imports_neither_stripe_nor_alembic(
    wheel_venv: Path, tmp_path: Path
) -> None:
    statements = (
        "from flask import Flask; from flask_sqlalchemy import SQLAlchemy\n"
        "from flask_stripe_credits import StripeCredits\n"
        "app = Flask('host', instance_path='/nowhere')\n"
        "app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite://'\n"
        "db = SQLAlchemy(app); StripeCredits(app, db)\n"
    )
    loaded = modules_after(wheel_venv, statements, tmp_path)
    assert not loaded & {"stripe", "alembic", "flask_migrate"}


@pytest.mark.parametrize("installed", ["wheel", "editable"])
def test_migrations_are_found_from_any_folder(
    installed: str, wheel_venv: Path, tmp_path: Path
) -> None:
    where = "from flask_stripe_credits.revisions import migrations_directory as d; print(d())"
    python = wheel_venv if installed == "wheel" else sys.executable
    done = subprocess.run(
        [python, "-c", where], cwd=tmp_path, env={}, check=True, stdout=subprocess.PIPE, text=True
    )
    found = Path(done.stdout.strip())
    home = wheel_venv.parents[1] if installed == "wheel" else ROOT
    assert found.is_relative_to(home)
    assert found.name == "migrations"
    assert (found / "env.py").is_file()

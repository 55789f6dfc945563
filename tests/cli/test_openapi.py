from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from ..hosts import PREFIX, Host, make_host


def test_it_prints_what_the_app_serves(sqlite_host: Host) -> None:
    told = sqlite_host.app.test_cli_runner().invoke(args=["credits", "openapi"])
    assert told.exit_code == 0
    document = json.loads(told.stdout)
    assert document == sqlite_host.client.get(f"{PREFIX}/openapi.json").json
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_writes_a_file_without_a_key_and_without_a_database(tmp_path: Path) -> None:
    settings = {"STRIPE_SECRET_KEY": None, "STRIPE_WEBHOOK_SECRET_CREDITS": None}
    nowhere = f"sqlite:///{tmp_path}/missing/shop.db"
    moved = make_host(nowhere, tables=False, STRIPE_CREDITS_URL_PREFIX="/pay", **settings)
    runner, file = moved.app.test_cli_runner(), tmp_path / "openapi.json"
    for _ in range(2):
        told = runner.invoke(args=["credits", "openapi", "--output", str(file)])
        assert (told.exit_code, told.output) == (0, f"wrote {file}\n")
    assert json.loads(file.read_text())["servers"] == [{"url": "/pay"}]


def test_a_file_that_cannot_be_written_is_named(sqlite_host: Host, tmp_path: Path) -> None:
    file = tmp_path / "missing" / "openapi.json"
    told = sqlite_host.app.test_cli_runner().invoke(
        args=["credits", "openapi", "--output", str(file)]
    )
    assert told.exit_code == 1
    assert told.output == f"Error: can't write {file}: No such file or directory\n"
